import type { EndStatus, Usage } from "../api/contract.ts";
import type { SseEvent } from "./sse.ts";

/** How a turn ended. `length` counts Unicode code points, `sha256` is over the UTF-8 of the stored reply. */
export interface TurnEnd {
  readonly status: EndStatus;
  readonly finish_reason?: string | null;
  readonly code?: string | null;
  readonly message?: string | null;
  readonly length: number;
  readonly sha256: string;
  readonly usage?: Usage | null;
}

export interface TurnNames {
  readonly turn_id: string;
  readonly session_id: string;
  readonly user_message_id: string;
  readonly reply_message_id: string;
  readonly model: string;
}

export interface Notice {
  readonly code: string;
  readonly message: string;
  readonly retry_in_s?: number | null;
  /** The model that is asked from now on, in the place of another. */
  readonly model?: string | null;
}

/** Everything that can arrive in the stream of a turn. */
export type TurnEvent =
  | ({ readonly type: "turn" } & TurnNames)
  | { readonly type: "piece"; readonly content: string }
  | { readonly type: "reasoning"; readonly content: string }
  | ({ readonly type: "notice" } & Notice)
  | { readonly type: "snapshot"; readonly content: string; readonly reasoning: string }
  | ({ readonly type: "end" } & TurnEnd);

/** What is known of a reply so far: a value, folded from events and from nothing else. */
export interface Reply {
  readonly names: TurnNames | null;
  readonly content: string;
  readonly reasoning: string;
  /** What the server is waiting for; gone as soon as text arrives. */
  readonly notice: Notice | null;
  readonly end: TurnEnd | null;
}

export const EMPTY_REPLY: Reply = { names: null, content: "", reasoning: "", notice: null, end: null };

const TYPES: Record<string, TurnEvent["type"]> = {
  message: "piece",
  turn: "turn",
  reasoning: "reasoning",
  notice: "notice",
  snapshot: "snapshot",
  end: "end",
};

/** The turn event in an SSE event; null for a name that a later server may add. Throws SyntaxError on broken JSON. */
export function readTurnEvent(event: SseEvent): TurnEvent | null {
  const type = TYPES[event.event];
  return type === undefined ? null : { type, ...JSON.parse(event.data) };
}

/** The reply after `event`. After the end nothing changes any more. */
export function foldTurn<Folded extends Reply>(reply: Folded, event: TurnEvent): Folded {
  if (reply.end !== null) return reply;
  switch (event.type) {
    case "turn": {
      const { type: _, ...names } = event;
      return { ...reply, names };
    }
    case "piece":
      return { ...reply, content: reply.content + event.content, notice: null };
    case "reasoning":
      return { ...reply, reasoning: reply.reasoning + event.content, notice: null };
    case "notice": {
      const { type: _, ...notice } = event;
      const names = reply.names && { ...reply.names, model: notice.model ?? reply.names.model };
      return { ...reply, names, notice };
    }
    case "snapshot":
      return { ...reply, content: event.content, reasoning: event.reasoning ?? "" };
    case "end": {
      const { type: _, ...end } = event;
      return { ...reply, end, notice: null };
    }
  }
}

/** Whether `content` is the reply that `end` speaks of, by its length in code points: cheap enough for every turn. */
export function isWhole(content: string, end: TurnEnd): boolean {
  let length = 0;
  for (const _ of content) length += 1;
  return length === end.length;
}
