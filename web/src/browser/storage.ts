import { INSTANCE } from "./instance.ts";

const PREFIX = `${INSTANCE}.`;

/** What this browser kept under `name`; null where nothing was kept or nothing may be (a private window). */
export function recall(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/** Keeps `text` under `name` in this browser, or forgets it where `text` is empty. */
export function keep(name: string, text: string): void {
  try {
    if (text === "") localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, text);
  } catch {
    // Full or forbidden: the page works without, only a reload forgets.
  }
}

/** Forgets what was written in a conversation that is no more. */
export function forgetWritten(conversationId: string): void {
  for (const kind of ["draft", "edit", "unsent"]) keep(`${kind}.${conversationId}`, "");
}
