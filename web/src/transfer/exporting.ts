import type { ExportedFile, ExportFormat } from "../api/contract.ts";
import { exported, exportedAll } from "../api/conversations.ts";
import { api } from "../session/client.ts";

/** The browser reads the file when the download begins, which it does not tell. */
const KEPT_MS = 60_000;

/**
 * Gives the reader conversation `id` as a file. The whole of it has come by the time this returns. Throws `Problem` and
 * `Unreachable`.
 */
export async function exportConversation(id: string, format: ExportFormat): Promise<void> {
  give(await exported(api, id, format));
}

/** Gives the reader everything they have as one file; otherwise as above. */
export async function exportEverything(): Promise<void> {
  give(await exportedAll(api));
}

function give({ name, content }: ExportedFile): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
}
