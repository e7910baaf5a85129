import { backoffMs, rest } from "../core/backoff.ts";
import type { ConversationChange, StartedTurn } from "../core/contract.ts";
import { Problem, Unreachable } from "../core/problem.ts";
import { list } from "./conversations.ts";
import { draft, moveDraft, write } from "./drafts.ts";
import { ownMessage, type ShownMessage } from "./messages.ts";
import { modelForNew } from "./models.ts";
import { moveOut, settleSent, settleUnsent, takeOut } from "./outbox.ts";
import { goTo } from "./place.ts";
import { expectReply, followTurn, running, stop, takeStopWanted } from "./reply.ts";
import { roleForNew } from "./roles.ts";
import { api } from "./server.ts";
import { announce, report, trouble } from "./status.ts";
import { conversation, currentVisit, dropMessages, messages, refresh, replaceMessage, talkState } from "./talk.ts";
import { look } from "./visit.ts";

const TRIES = 3;
const FIRST_WAIT_MS = 500;

/** Sends what stands in the input. */
export function sendDraft(): void {
  const text = draft.peek().trim();
  if (text === "" || running.peek() !== null || talkState.peek() !== "ready") return;
  write("");
  void send(text);
}

/** Sends `text` and follows the reply. What could not be sent goes back into the input. */
export async function send(text: string): Promise<void> {
  const here = currentVisit();
  trouble.value = null;
  takeStopWanted();
  const own = ownMessage(text);
  const reply = expectReply(null);
  messages.value = [...messages.peek(), own, reply];
  let id = conversation.peek()?.id ?? null;
  const key = takeOut(id, text, messages.peek());
  let started: StartedTurn;
  try {
    id ??= await create(key, here);
    started = await startTurn(id, key, text);
  } catch (error) {
    settleUnsent(id, key);
    if (here.aborted) return;
    dropMessages(own.key, reply.key);
    report(error);
    announce(trouble.peek() ?? "");
    if (id !== null && error instanceof Problem && error.code === "turn_in_progress") await look(id);
    return;
  }
  settleSent(id, key);
  if (here.aborted) return catchUpWith(id);
  const { turn_id, user_message_id } = started;
  replaceMessage(own.key, (message) => ({ ...message, id: user_message_id }));
  replaceMessage(reply.key, (message) => ({ ...message, turnId: turn_id }));
  if (takeStopWanted()) void stop();
  // The first message gives a conversation its title.
  void refresh();
  await followTurn(id, turn_id, reply.key);
}

/** Sends again what the reply `message` did not answer. */
export async function sendAgain(message: ShownMessage): Promise<void> {
  const shown = messages.peek();
  const asked = shown.slice(0, shown.indexOf(message)).findLast(({ role }) => role === "user");
  if (asked !== undefined && running.peek() === null) await send(asked.content);
}

/** The reader went elsewhere meanwhile, and perhaps came back before the server had the message. */
async function catchUpWith(id: string): Promise<void> {
  if (conversation.peek()?.id === id && running.peek() === null) await look(id);
}

/** Makes a new conversation of the one on the page, for the message that is sent with `key`. */
async function create(key: string, here: AbortSignal): Promise<string> {
  const model = modelForNew();
  const fields: ConversationChange = { role: roleForNew(), ...(model === null ? {} : { model }) };
  const created = await api.createConversation(fields);
  list(created);
  moveOut(created.id, key);
  if (!here.aborted) {
    conversation.value = created;
    moveDraft(created.id);
    goTo(created.id);
  }
  return created.id;
}

/** Starts the turn; the same key on every try, so that an answer that was lost on its way starts nothing twice. */
async function startTurn(id: string, key: string, text: string): Promise<StartedTurn> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await api.startTurn(id, key, text);
    } catch (error) {
      if (!(error instanceof Unreachable) || attempt + 1 === TRIES) throw error;
      await rest(backoffMs(attempt, FIRST_WAIT_MS));
    }
  }
}
