import { signal } from "@preact/signals";

import type { ImportReport } from "../api/contract.ts";
import { imported } from "../api/transfer.ts";
import { language, t } from "../session/language.ts";
import { start } from "../catalog/start.ts";
import { announce } from "../session/status.ts";

type Importing =
  | { readonly state: "idle" }
  /** `sent` goes from 0 to 1; at 1 the server has the file and reads it. */
  | { readonly state: "running"; readonly name: string; readonly sent: number }
  | { readonly state: "done"; readonly name: string; readonly report: ImportReport }
  | { readonly state: "refused"; readonly name: string; readonly error: unknown };

/** The import that is under way or was the last one. It goes on when its dialog is closed. */
export const importing = signal<Importing>({ state: "idle" });

let sending = new AbortController();

/** Whether the next file's content that is not understood is to be kept. */
export const isUnknownKept = signal(false);

export async function importFile(file: File): Promise<void> {
  if (importing.peek().state === "running") return;
  sending = new AbortController();
  const { name } = file;
  const onProgress = (sent: number) => {
    importing.value = { state: "running", name, sent };
  };
  onProgress(0);
  try {
    const report = await imported(file, {
      language: language.peek(),
      isUnknownKept: isUnknownKept.peek(),
      signal: sending.signal,
      onProgress,
    });
    importing.value = { state: "done", name, report };
    announce(t("import.done"));
  } catch (error) {
    importing.value = sending.signal.aborted ? { state: "idle" } : { state: "refused", name, error };
    announce(t(sending.signal.aborted ? "import.cancelled" : "import.refused"));
  }
  // After a failure as well: an answer may have been lost on its way.
  await start();
}

/** Takes a file back that has not arrived. Nothing of it stays. */
export function cancelImport(): void {
  sending.abort();
}

/** Makes room for another file. */
export function forgetImport(): void {
  if (importing.peek().state !== "running") importing.value = { state: "idle" };
}
