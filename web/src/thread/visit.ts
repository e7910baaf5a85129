import { conversation, listState, loadConversations } from "../session/conversations.ts";
import { openDraft } from "./drafts.ts";
import { openEdit } from "./editing.ts";
import { settleLeft } from "./outbox.ts";
import { followRunning, isBusy } from "./reply.ts";
import { api } from "../session/client.ts";
import { start } from "../catalog/start.ts";
import { trouble } from "../session/status.ts";
import { messages, open, openNew } from "./thread.ts";

/** Goes to the conversation that the address names, and into the middle of its reply where one is being made. */
export async function visit(id: string | null): Promise<void> {
  if (id !== null && conversation.peek()?.id === id) return;
  trouble.value = null;
  openDraft(id);
  openEdit(id);
  if (id !== null) return look(id);
  openNew();
  settleLeft(null, []);
}

/**
 * Looks (again) at conversation `id`; returns when its messages are there, and follows the turn that runs in it.
 *
 * @param newestId the message to be shown last, where the turn that runs answers that one.
 */
export async function look(id: string, newestId: string | null = null): Promise<void> {
  const turnId = await open(id);
  if (conversation.peek()?.id === id) settleLeft(id, messages.peek());
  if (turnId === null) return;
  const at = messages.peek().findIndex((message) => message.id === newestId);
  if (newestId !== null && at >= 0) messages.value = messages.peek().slice(0, at + 1);
  void followRunning(id, turnId);
}

/**
 * Level with what other tabs and devices did meanwhile.
 *
 * @param isChanged whether more than the time of the last message may tell of it: another branch, a pin.
 */
export async function catchUp(isChanged: boolean): Promise<void> {
  void (listState.peek() === "ready" ? loadConversations() : start());
  const shown = conversation.peek();
  if (shown === null || isBusy()) return;
  if (!isChanged) {
    const found = await api.conversation(shown.id).catch(() => null);
    if (found?.updated_at === shown.updated_at && found.running_turn_id === null) return;
  }
  if (conversation.peek()?.id === shown.id && !isBusy()) await look(shown.id);
}
