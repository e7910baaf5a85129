import { signal } from "@preact/signals";

import { keep, recall } from "./memory.ts";
import type { ShownMessage } from "./messages.ts";

/** Another text for the message `id`, as far as it is written. One a conversation is kept, through reloads as well. */
interface Edit {
  readonly id: string;
  readonly text: string;
}

let owner: string | null = null;

/** The message of the reader's own that is being edited on the page. */
export const editing = signal<Edit | null>(null);

/** Whether the editor is open is kept beside its text: leaving it loses nothing. */
const nameOf = (conversationId: string | null) => `edit.${conversationId}`;

/** Brings back what was being edited in a conversation (null: a new one, where there is nothing to edit). */
export function openEdit(conversationId: string | null): void {
  owner = conversationId;
  const kept = read();
  editing.value = kept?.isOpen ? kept : null;
}

/** Begins to edit `message`, or goes on where it was left. */
export function startEdit(message: ShownMessage): void {
  const kept = read();
  if (message.id !== null) writeEdit(kept?.id === message.id ? kept : { id: message.id, text: message.content });
}

export function writeEdit(edit: Edit): void {
  editing.value = edit;
  keep(nameOf(owner), JSON.stringify({ ...edit, isOpen: true }));
}

/** Leaves the editor. What was written comes back when it is opened again. */
export function leaveEdit(): void {
  const edit = editing.peek();
  editing.value = null;
  if (edit !== null) keep(nameOf(owner), JSON.stringify({ ...edit, isOpen: false }));
}

/** The server has what was edited in a conversation. */
export function forgetEdit(conversationId: string): void {
  keep(nameOf(conversationId), "");
  if (conversationId === owner) editing.value = null;
}

function read(): (Edit & { readonly isOpen: boolean }) | null {
  return JSON.parse(recall(nameOf(owner)) ?? "null");
}
