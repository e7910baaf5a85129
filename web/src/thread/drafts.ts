import { signal } from "@preact/signals";

import { keep, recall } from "../browser/storage.ts";

let owner: string | null = null;

/** What stands in the input. It is kept for its conversation through reloads until it is sent. */
export const draft = signal("");

const nameOf = (id: string | null) => `draft.${id ?? "new"}`;

/** Brings back what was being written in conversation `id` (null: a new one). */
export function openDraft(id: string | null): void {
  owner = id;
  draft.value = recall(nameOf(id)) ?? "";
}

export function write(text: string): void {
  draft.value = text;
  keep(nameOf(owner), text);
}

/** Empties the input, whose text is on its way. What another tab writes in the same conversation stays kept. */
export function takeDraft(): void {
  if (recall(nameOf(owner)) === draft.peek()) keep(nameOf(owner), "");
  draft.value = "";
}

/** A new conversation has got its id: what is being written belongs to it from now on. */
export function moveDraft(id: string): void {
  const text = draft.peek();
  keep(nameOf(owner), "");
  owner = id;
  write(text);
}

/** Puts `text`, which could not be sent to conversation `id`, back in front of what is being written there now. */
export function giveBack(id: string | null, text: string): void {
  const join = (later: string) => (later === "" ? text : `${text}\n${later}`);
  if (id === owner) write(join(draft.peek()));
  else keep(nameOf(id), join(recall(nameOf(id)) ?? ""));
}

/** The server has `text` of conversation `id` after all: where it is the draft, it is none any more. */
export function takeBack(id: string | null, text: string): void {
  if (recall(nameOf(id)) !== text) return;
  if (id === owner) write("");
  else keep(nameOf(id), "");
}
