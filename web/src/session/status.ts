import { signal } from "@preact/signals";

import { missingMessage, Problem, Unreachable } from "../api/problem.ts";
import { t, textOf } from "./language.ts";

/**
 * Makes a text that is said twice in a row another text, which looks and sounds the same: Chromium tells no screen reader
 * of a new node with the old text, and Orca does not read what was cleared and set again.
 */
const AGAIN = "\u00a0";

interface Announcement {
  readonly text: string;
  /** The modal dialog on top, null where there is none: nothing outside it is read. */
  readonly within: Element | null;
}

/** What a screen reader is told: start, end and failure of a reply, never its text. */
export const announcement = signal<Announcement>({ text: "", within: null });

/** What did not work, in words for the line above the input; null while all is well. */
export const trouble = signal<string | null>(null);

export function announce(text: string): void {
  const before = announcement.peek().text;
  const within = [...document.querySelectorAll("dialog[open]")].at(-1) ?? null;
  announcement.value = { text: text === before ? text + AGAIN : text, within };
}

/** For a dialog that opens: what the page said before would be read once more when it closes. */
export function clearAnnouncement(): void {
  announcement.value = { text: "", within: null };
}

export function report(error: unknown): void {
  trouble.value = describe(error);
}

function describe(error: unknown): string {
  if (error instanceof Unreachable) return t("trouble.unreachable");
  if (!(error instanceof Problem)) throw error;
  // Where our own texts are not here yet, the server's sentence is in the same language.
  return describeProblem(error) || error.detail;
}

function describeProblem(error: Problem): string {
  const missing = missingMessage(error);
  if (missing === "parent_id") return t("trouble.moved");
  if (missing !== null) return t(missing === "edit" ? "trouble.edit_gone" : "trouble.gone");
  if (error.fields.includes("pinned")) return t("trouble.pins");
  return textOf(`trouble.${error.code}`) ?? (error.detail || t("trouble.other", { code: error.code }));
}

/** Why a reply failed, by the code that is kept with it. */
export function describeFailure(code: string | null | undefined): string {
  return textOf(`failure.${code}`) ?? "";
}
