import { computed, signal } from "@preact/signals";

import { eventsUrl } from "../api/client.ts";
import { follow } from "../stream/follow.ts";
import { Problem } from "../api/problem.ts";
import { takeStreamPlace } from "../stream/slots.ts";
import { EMPTY_REPLY, foldTurn, isWhole, type Reply, type TurnEnd } from "../stream/turn.ts";
import { sentences, t } from "../session/language.ts";
import { endedReply, runningReply, type ShownMessage } from "./messages.ts";
import { roleForNew } from "../catalog/roles.ts";
import { api } from "../session/client.ts";
import { announce, describeFailure, report } from "../session/status.ts";
import { currentVisit, dropMessages, elsewhere, messages, open, refresh, replaceMessage } from "./thread.ts";
import { conversation } from "../session/conversations.ts";

/** A reply that is being made, and whether its stream is there at the moment. */
interface LiveReply extends Reply {
  readonly isConnected: boolean;
}

const NOTHING_YET: LiveReply = { ...EMPTY_REPLY, isConnected: true };

/** The reply that is being made. Apart from the messages, so that a piece draws one reply and not the list. */
export const live = signal<LiveReply>(NOTHING_YET);
/** Of it what changes seldom: whoever shows only that is not drawn anew at every piece. */
export const hasText = computed(() => live.value.content !== "");
export const reasoning = computed(() => live.value.reasoning);
export const notice = computed(() => live.value.notice);
export const isConnected = computed(() => live.value.isConnected);

export const running = computed<ShownMessage | null>(
  () => messages.value.find(({ status }) => status === "running") ?? null,
);

/** Whether the conversation makes a reply, on the page or not: it makes one at a time. */
export const busy = computed(() => running.value !== null || elsewhere.value !== null);

export function isBusy(): boolean {
  return busy.value;
}

/** The place of the reply that is made next: empty so far, or with the text that it goes on from. */
export function expectReply(turnId: string | null, kept = ""): ShownMessage {
  live.value = NOTHING_YET;
  return runningReply(turnId, conversation.peek()?.role ?? roleForNew(), kept);
}

/** Follows a turn that is running already, in its place on the page or, where its branch is not the one on it, unseen. */
export async function followRunning(id: string, turnId: string): Promise<void> {
  const reply = expectReply(turnId);
  if (messages.peek().at(-1)?.role === "user") messages.value = [...messages.peek(), reply];
  else elsewhere.value = { turnId, questionId: null };
  await followTurn(id, turnId, reply.key);
}

/** Follows turn `turnId` to its end and shows its text in the message called `key`, where that is on the page. */
export async function followTurn(id: string, turnId: string, key: string): Promise<void> {
  const here = currentVisit();
  announce(t("reply.started"));
  const events = follow(api, eventsUrl(id, turnId), {
    signal: here,
    takePlace: takeStreamPlace,
    onConnection: (connected) => {
      if (!here.aborted) live.value = { ...live.peek(), isConnected: connected };
    },
  });
  try {
    for await (const event of events) {
      if (here.aborted) return;
      live.value = foldTurn(live.peek(), event);
      if (event.type !== "turn") continue;
      // It ended while the page was loading: the store had it first.
      if (messages.peek().some(({ id }) => id === event.reply_message_id)) return over(key);
      if (!isInPlace(key, event.user_message_id)) {
        elsewhere.value = { turnId, questionId: event.user_message_id };
        dropMessages(key);
      }
    }
  } catch (error) {
    if (here.aborted) return;
    // A turn that the server does not know any more is over: what became of it is among the messages.
    if (!(error instanceof Problem)) throw error;
  }
  if (here.aborted) return;
  await settle(id, key, live.peek());
}

/** Whether the message called `key` stands right below the message that it answers, as far as that is on the page. */
function isInPlace(key: string, questionId: string): boolean {
  const at = messages.peek().findIndex((message) => message.key === key);
  return at === 0 || (at > 0 && messages.peek()[at - 1]?.id === questionId);
}

function over(key: string): void {
  elsewhere.value = null;
  dropMessages(key);
}

/** Puts the finished reply among the messages; from the store where this page missed a part of it. */
async function settle(id: string, key: string, reply: Reply): Promise<void> {
  const { end } = reply;
  const isSeen = elsewhere.peek() === null;
  elsewhere.value = null;
  if (end === null || reply.names === null || (isSeen && !isWhole(reply.content, end))) {
    await open(id);
    return;
  }
  replaceMessage(key, (message) => endedReply(message, reply, end));
  announce(describeEnd(end));
  // Which other replies it stands beside, and what had to make room for it.
  await refresh();
}

function describeEnd(end: TurnEnd): string {
  if (end.status === "done") return t(end.finish_reason === "length" ? "reply.length" : "reply.done");
  return sentences(t(`reply.${end.status}`), describeFailure(end.code));
}

/** The key of a reply that was to be stopped before it had a turn. */
let stopWanted: string | undefined;

/** Stops the running reply; one that the server has not begun yet is stopped as soon as it has. */
export async function stop(): Promise<void> {
  const turnId = running.peek()?.turnId ?? elsewhere.peek()?.turnId ?? null;
  const id = conversation.peek()?.id;
  if (id === undefined || turnId === null) {
    stopWanted = running.peek()?.key;
    return;
  }
  await stopTurn(id, turnId);
}

/** Stops a turn; says so where the server can write its end only later. */
export async function stopTurn(id: string, turnId: string): Promise<void> {
  const turn = await api.stopTurn(id, turnId).catch(report);
  if (!turn?.stopping || running.peek()?.turnId !== turnId) return;
  live.value = { ...live.peek(), notice: { code: "stopping", message: t("reply.stopping") } };
}

/** Whether `reply` was to be stopped before there was a turn to stop. */
export function isStopWanted(reply: ShownMessage): boolean {
  return stopWanted === reply.key;
}
