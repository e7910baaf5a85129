import { type Api, conversationUrl, query, whole } from "./api.ts";
import type { ExportedFile, ExportFormat, FoundPage } from "./contract.ts";

/** A page of the conversations in which `q` occurs, newest activity first. */
export function search(api: Api, q: string, before: string | null, signal: AbortSignal): Promise<FoundPage> {
  return api.json("GET", `/api/conversations?${query({ q, before, limit: 20 })}`, undefined, {}, signal);
}

/** A conversation as a file, all of it or nothing. */
export async function exported(api: Api, id: string, format: ExportFormat): Promise<ExportedFile> {
  const response = await api.send("GET", `${conversationUrl(id)}/export?${query({ format })}`);
  return { name: nameOf(response.headers.get("Content-Disposition"), format), content: await whole(response.blob()) };
}

/** The name that an answer gives its file (RFC 6266, RFC 8187); a plain one where it gives none. */
function nameOf(disposition: string | null, format: ExportFormat): string {
  const encoded = /filename\*=utf-8''([^;\s]+)/i.exec(disposition ?? "")?.[1];
  try {
    if (encoded !== undefined) return decodeURIComponent(encoded);
  } catch {
    // Not what the rule says: the plain name will do.
  }
  return format === "json" ? "conversation.json" : "conversation.md";
}
