import type { EndStatus, Message } from "../api/contract.ts";
import type { Language } from "../i18n/index.ts";
import { randomKey } from "../browser/randomKey.ts";
import type { Reply, TurnEnd } from "../stream/turn.ts";
import { language } from "../session/language.ts";

/** A message as the page shows it: one from the store, or one that is on its way there. */
export interface ShownMessage {
  /** Stays the same while a message gets its id and its text, so that its nodes stay too. */
  readonly key: string;
  readonly id: string | null;
  readonly turnId: string | null;
  readonly role: "user" | "assistant";
  readonly content: string;
  readonly reasoning: string;
  readonly status: EndStatus | "running";
  readonly code: string | null;
  /** Why the model said no more: `stop` where it had said all; null where nobody knows. */
  readonly finishReason: string | null;
  /** What went wrong, in the server's words, and their language: said once, with the end. */
  readonly cause: { readonly text: string; readonly language: Language } | null;
  readonly model: string | null;
  readonly persona: string | null;
  readonly timestamp: number;
  readonly parentId: string | null;
  /** The ids of all messages that stand in this place, its own among them, oldest first; empty until that is known. */
  readonly siblings: readonly string[];
  readonly isPinned: boolean;
  /** How many messages right before it the server no longer keeps. */
  readonly droppedBefore: number;
}

export function fromStore(message: Message): ShownMessage {
  return {
    key: message.id,
    id: message.id,
    turnId: message.turn_id ?? null,
    role: message.role,
    content: message.content,
    reasoning: message.reasoning ?? "",
    status: message.status,
    code: message.code ?? null,
    finishReason: message.finish_reason ?? null,
    cause: null,
    model: message.model ?? null,
    persona: message.persona ?? null,
    timestamp: message.timestamp,
    parentId: message.parent_id,
    siblings: message.siblings,
    isPinned: message.pinned === true,
    droppedBefore: message.dropped_before ?? 0,
  };
}

const ON_ITS_WAY = {
  id: null,
  turnId: null,
  content: "",
  reasoning: "",
  code: null,
  finishReason: null,
  cause: null,
  model: null,
  persona: null,
  parentId: null,
  siblings: [],
  isPinned: false,
  droppedBefore: 0,
};

/** The reader's own message, shown before the server has it. */
export function ownMessage(content: string): ShownMessage {
  return { ...ON_ITS_WAY, key: randomKey(), role: "user", content, status: "done", timestamp: nowS() };
}

/** The place of a reply that is being made by `persona`; `kept` is the text that it goes on from. */
export function runningReply(turnId: string | null, persona: string, kept: string): ShownMessage {
  const key = randomKey();
  return { ...ON_ITS_WAY, key, turnId, persona, role: "assistant", content: kept, status: "running", timestamp: nowS() };
}

/** A running reply once its turn has ended. */
export function endedReply(message: ShownMessage, reply: Reply, end: TurnEnd): ShownMessage {
  return {
    ...message,
    id: reply.names?.reply_message_id ?? message.id,
    turnId: reply.names?.turn_id ?? message.turnId,
    model: reply.names?.model ?? message.model,
    content: reply.content,
    reasoning: reply.reasoning,
    status: end.status,
    code: end.code ?? null,
    finishReason: end.finish_reason ?? null,
    cause: end.message ? { text: end.message, language: language.peek() } : null,
    timestamp: nowS(),
  };
}

function nowS(): number {
  return Date.now() / 1000;
}
