/** The table in `block` as CSV after RFC 4180: a comma between cells, CRLF between rows, quotation marks where needed. */
export function csvOf(block: Element): string {
  const rows = [...block.querySelectorAll("tr")];
  return rows.map((row) => [...row.querySelectorAll("th, td")].map(cell).join(",")).join("\r\n");
}

function cell({ textContent }: Element): string {
  const text = textContent.trim();
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
