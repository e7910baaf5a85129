import { backoffMs, rest } from "../api/backoff.ts";
import type { ConversationChange, StartedTurn, TurnBody } from "../api/contract.ts";
import { randomKey } from "../browser/randomKey.ts";
import { missingMessage, Problem, Unreachable } from "../api/problem.ts";
import { changesAnswered, conversation, list } from "../session/conversations.ts";
import { draft, moveDraft, takeDraft } from "./drafts.ts";
import { openEdit } from "./editing.ts";
import { ownMessage, type ShownMessage } from "./messages.ts";
import { loadModels, modelForNew } from "../catalog/models.ts";
import { moveOut, settleSent, settleUnsent, takeOut } from "./outbox.ts";
import { goTo } from "../session/route.ts";
import { expectReply, followTurn, isBusy, isStopWanted, stopTurn } from "./reply.ts";
import { loadRoles, roleForNew } from "../catalog/roles.ts";
import { api } from "../session/client.ts";
import { sought } from "./sought.ts";
import { announce, trouble } from "../session/status.ts";
import { currentVisit, messages, refreshTitle, replaceMessage, talkState } from "./thread.ts";
import { reportIn } from "../session/failure.ts";
import { look } from "./visit.ts";

const TRIES = 3;
const FIRST_WAIT_MS = 500;

/** Sends what stands in the input. */
export function sendDraft(): void {
  const text = draft.peek().trim();
  if (text === "" || isBusy() || talkState.peek() !== "ready") return;
  takeDraft();
  void send(text);
}

/**
 * Sends `text` and follows the reply. What could not be sent goes back into the input.
 *
 * It is said after the newest message on the page: where somebody else has said something meanwhile, it stands beside
 * that and not behind it.
 */
export async function send(text: string): Promise<void> {
  const id = conversation.peek()?.id ?? null;
  const shown = messages.peek();
  const after = shown.findLast((message) => message.id !== null)?.id ?? null;
  const key = takeOut(id, text, after);
  const own = ownMessage(text);
  await act({
    key,
    body: after === null ? { message: text } : { message: text, parent_id: after },
    shown: [...shown, own],
    own: own.key,
    onTaken: (id) => settleSent(id, key),
    onRefused: (id, error) => settleUnsent(id, key, text, error instanceof Problem && error.code === "message_erased"),
  });
}

/** Has a message of the reader's, or the one that a reply answers, answered again, beside the replies there are. */
export async function answerAgain(message: ShownMessage): Promise<void> {
  if (message.id === null || isBusy()) return;
  const shown = upTo(message, message.role === "user" ? 1 : 0);
  await act({ key: randomKey(), body: { retry: message.id }, shown });
}

/** Has a reply that was cut go on from where it ends. */
export async function goOn(message: ShownMessage): Promise<void> {
  if (message.id === null || isBusy()) return;
  await act({ key: randomKey(), body: { continue: message.id }, shown: upTo(message, 0), kept: message.content });
}

/** The messages on the page before `message`, and `more` from there. */
export function upTo(message: ShownMessage, more: number): readonly ShownMessage[] {
  const shown = messages.peek();
  return shown.slice(0, shown.findIndex(({ key }) => key === message.key) + more);
}

export interface Act {
  readonly key: string;
  readonly body: TurnBody;
  /** What stands above the reply that is to come. */
  readonly shown: readonly ShownMessage[];
  /** The key of the message among them that is new. */
  readonly own?: string;
  /** The text that the reply goes on from. */
  readonly kept?: string;
  readonly onTaken?: (id: string) => void;
  readonly onRefused?: (id: string | null, error: unknown) => void;
}

/** Begins a turn in the conversation on the page, a new one where there is none, and follows it to its end. */
export async function act({ key, body, shown, own, kept, onTaken, onRefused }: Act): Promise<void> {
  const here = currentVisit();
  const before = messages.peek();
  trouble.value = sought.value = null;
  const reply = expectReply(null, kept);
  messages.value = [...shown, reply];
  let id = conversation.peek()?.id ?? null;
  let started: StartedTurn;
  try {
    // A persona or a model that was chosen just before is the one that replies.
    await changesAnswered();
    id ??= await create(key, here);
    started = await startTurn(id, key, body);
  } catch (error) {
    onRefused?.(id, error);
    if (!here.aborted) messages.value = [...fetchedBefore([...shown, reply]), ...before];
    reportIn(id, error);
    announce(trouble.peek() ?? "");
    askForWhatIsThere(error);
    if (here.aborted) return;
    if (id !== null && isOutOfDate(error)) await look(id);
    return;
  }
  onTaken?.(id);
  const { turn_id, user_message_id } = started;
  if (isStopWanted(reply)) void stopTurn(id, turn_id);
  if (here.aborted) return catchUpWith(id);
  if (own !== undefined) replaceMessage(own, (message) => named(message, user_message_id));
  replaceMessage(reply.key, (message) => ({ ...message, turnId: turn_id }));
  // The first message gives a conversation its title.
  void refreshTitle();
  await followTurn(id, turn_id, reply.key);
}

/** What was fetched from further up since `shown` stood on the page. */
function fetchedBefore([first]: readonly ShownMessage[]): readonly ShownMessage[] {
  const now = messages.peek();
  return now.slice(0, Math.max(now.findIndex(({ key }) => key === first?.key), 0));
}

function named(message: ShownMessage, id: string): ShownMessage {
  return { ...message, id, siblings: [...message.siblings, id] };
}

/** What the page offers and the server does not have any more is not offered again. */
function askForWhatIsThere(error: unknown): void {
  const code = error instanceof Problem ? error.code : null;
  if (code === "unknown_role") void loadRoles();
  if (code === "unknown_model") void loadModels();
}

/** Whether the page shows something else than the server has. */
function isOutOfDate(error: unknown): boolean {
  return missingMessage(error) !== null || (error instanceof Problem && error.code === "turn_in_progress");
}

/** The reader went elsewhere meanwhile, and perhaps came back before the server had the message. */
async function catchUpWith(id: string): Promise<void> {
  if (conversation.peek()?.id === id && !isBusy()) await look(id);
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
    openEdit(created.id);
    goTo(created.id);
  }
  return created.id;
}

/** Starts the turn; the same key on every try, so that an answer that was lost on its way starts nothing twice. */
async function startTurn(id: string, key: string, body: TurnBody): Promise<StartedTurn> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await api.startTurn(id, key, body);
    } catch (error) {
      if (!(error instanceof Unreachable) || attempt + 1 === TRIES) throw error;
      await rest(backoffMs(attempt, FIRST_WAIT_MS));
    }
  }
}
