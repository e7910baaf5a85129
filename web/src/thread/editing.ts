import { signal } from "@preact/signals";

import { keep, recall } from "../browser/storage.ts";
import type { ShownMessage } from "./messages.ts";

/** Another text for the message `id`, as far as it is written. */
interface Edit {
  readonly id: string;
  readonly text: string;
}

/** What was written in a conversation, through reloads as well: by message, and which of them is open. */
interface Kept {
  readonly open: string | null;
  readonly texts: Readonly<Record<string, string>>;
}

let owner: string | null = null;

/** The message of the reader's own that is being edited on the page. */
export const editing = signal<Edit | null>(null);

const nameOf = (conversationId: string | null) => `edit.${conversationId}`;

/** Brings back what was being edited in a conversation (null: a new one, where there is nothing to edit). */
export function openEdit(conversationId: string | null): void {
  owner = conversationId;
  const { open, texts } = read(owner);
  editing.value = open === null ? null : { id: open, text: texts[open] ?? "" };
}

/** Begins to edit `message`, or goes on where it was left. */
export function startEdit(message: ShownMessage): void {
  const { id, content } = message;
  if (id !== null) writeEdit({ id, text: read(owner).texts[id] ?? content });
}

export function writeEdit(edit: Edit): void {
  editing.value = edit;
  write(owner, { open: edit.id, texts: { ...read(owner).texts, [edit.id]: edit.text } });
}

/** Leaves the editor. What was written comes back when it is opened again. */
export function leaveEdit(): void {
  editing.value = null;
  write(owner, { ...read(owner), open: null });
}

/** The server has what was edited of message `id` in a conversation. */
export function forgetEdit(conversationId: string, id: string): void {
  const { open, texts } = read(conversationId);
  const others = Object.entries(texts).filter(([each]) => each !== id);
  write(conversationId, { open: open === id ? null : open, texts: Object.fromEntries(others) });
  if (editing.peek()?.id === id) editing.value = null;
}

function read(conversationId: string | null): Kept {
  const kept: Partial<Kept> = JSON.parse(recall(nameOf(conversationId)) ?? "{}");
  return { open: kept.open ?? null, texts: kept.texts ?? {} };
}

function write(conversationId: string | null, kept: Kept): void {
  keep(nameOf(conversationId), Object.keys(kept.texts).length === 0 ? "" : JSON.stringify(kept));
}
