import { computed, signal } from "@preact/signals";

import { eventsUrl } from "../core/api.ts";
import { follow } from "../core/follow.ts";
import { Problem } from "../core/problem.ts";
import { EMPTY_REPLY, foldTurn, isWhole, type Reply, type TurnEnd } from "../core/turn.ts";
import { sentences, t } from "./language.ts";
import { endedReply, runningReply, type ShownMessage } from "./messages.ts";
import { roleForNew } from "./roles.ts";
import { api } from "./server.ts";
import { announce, describeFailure, report } from "./status.ts";
import { conversation, currentVisit, dropMessages, messages, open, refresh, replaceMessage } from "./talk.ts";

/** The text of the reply that is being made. Apart from the messages, so that a piece draws one reply and not the list. */
export const live = signal<Reply>(EMPTY_REPLY);
export const isConnected = signal(true);

export const running = computed<ShownMessage | null>(
  () => messages.value.find(({ status }) => status === "running") ?? null,
);

/** The place of the reply that is made next, empty so far. */
export function expectReply(turnId: string | null): ShownMessage {
  live.value = EMPTY_REPLY;
  isConnected.value = true;
  return runningReply(turnId, conversation.peek()?.role ?? roleForNew());
}

/** Follows turn `turnId` to its end and shows its text in the message called `key`, which is there already. */
export async function followTurn(id: string, turnId: string, key: string): Promise<void> {
  const here = currentVisit();
  announce(t("reply.started"));
  const events = follow(api, eventsUrl(id, turnId), {
    signal: here,
    onConnection: (connected) => {
      if (!here.aborted) isConnected.value = connected;
    },
  });
  try {
    for await (const event of events) {
      if (here.aborted) return;
      live.value = foldTurn(live.peek(), event);
      // It ended while the page was loading: the store had it first.
      if (event.type === "turn" && isShown(event.reply_message_id)) return dropMessages(key);
    }
  } catch (error) {
    if (here.aborted) return;
    // A turn that the server does not know any more is over: what became of it is among the messages.
    if (!(error instanceof Problem)) throw error;
  }
  if (here.aborted) return;
  await settle(id, key, live.peek());
}

/** Puts the finished reply among the messages; from the store where this page missed a part of it. */
async function settle(id: string, key: string, reply: Reply): Promise<void> {
  const { end } = reply;
  if (end === null || !isWhole(reply.content, end)) {
    await open(id);
    return;
  }
  replaceMessage(key, (message) => endedReply(message, reply, end));
  announce(describeEnd(end));
  await refresh();
}

function describeEnd(end: TurnEnd): string {
  if (end.status === "done") return t("reply.done");
  return sentences(t(`reply.${end.status}`), describeFailure(end.code));
}

function isShown(messageId: string): boolean {
  return messages.peek().some(({ id }) => id === messageId);
}

let stopWanted = false;

/** Stops the running reply; one that the server has not begun yet is stopped as soon as it has. */
export async function stop(): Promise<void> {
  const turnId = running.peek()?.turnId;
  const id = conversation.peek()?.id;
  stopWanted = turnId === null || id === undefined;
  if (id === undefined || turnId === null || turnId === undefined) return;
  await api.stopTurn(id, turnId).catch(report);
}

/** Whether a stop was asked for before there was a turn to stop; asked once. */
export function takeStopWanted(): boolean {
  const wanted = stopWanted;
  stopWanted = false;
  return wanted;
}
