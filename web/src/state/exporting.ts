import type { ExportFormat } from "../core/contract.ts";
import { exported } from "../core/laterApi.ts";
import { api } from "./server.ts";

/** The browser reads the file when the download begins, which it does not tell. */
const KEPT_MS = 60_000;

/**
 * Gives the reader conversation `id` as a file. The whole of it has come by the time this returns. Throws `Problem` and
 * `Unreachable`.
 */
export async function exportConversation(id: string, format: ExportFormat): Promise<void> {
  const { name, content } = await exported(api, id, format);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
}
