import { loadConversations } from "./conversations.ts";
import { openDraft } from "./drafts.ts";
import { t } from "./language.ts";
import { settleLeft } from "./outbox.ts";
import { expectReply, followTurn, running } from "./reply.ts";
import { api } from "./server.ts";
import { announce, report, trouble } from "./status.ts";
import { conversation, messages, open, openNew } from "./talk.ts";

/** Goes to the conversation that the address names, and into the middle of its reply where one is being made. */
export async function visit(id: string | null): Promise<void> {
  if (id !== null && conversation.peek()?.id === id) return;
  trouble.value = null;
  openDraft(id);
  if (id !== null) return look(id);
  openNew();
  settleLeft(null, []);
}

/** Looks (again) at conversation `id`, and follows the turn that runs in it. */
export async function look(id: string): Promise<void> {
  const turnId = await open(id);
  if (conversation.peek()?.id === id) settleLeft(id, messages.peek());
  if (turnId === null) return;
  const reply = expectReply(turnId);
  messages.value = [...messages.peek(), reply];
  await followTurn(id, turnId, reply.key);
}

/** Clears the conversation on the page; the conversation itself stays. */
export async function clear(): Promise<void> {
  const id = conversation.peek()?.id;
  if (id === undefined) return;
  try {
    await api.clearHistory(id);
    await open(id);
    announce(t("conversation.cleared"));
  } catch (error) {
    report(error);
  }
}

/** Level with what other tabs and devices did meanwhile: when the reader comes back to this one. */
export async function catchUp(): Promise<void> {
  void loadConversations();
  const shown = conversation.peek();
  if (shown === null || running.peek() !== null) return;
  const found = await api.conversation(shown.id).catch(() => null);
  if (found?.updated_at === shown.updated_at && found.running_turn_id === null) return;
  if (conversation.peek() === shown && running.peek() === null) await look(shown.id);
}
