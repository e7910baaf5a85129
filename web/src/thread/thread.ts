import { computed, signal } from "@preact/signals";

import type { Conversation, MessagePage } from "../api/contract.ts";
import { Problem } from "../api/problem.ts";
import { conversation, list, unlist } from "../session/conversations.ts";
import { fromStore, type ShownMessage } from "./messages.ts";
import { api } from "../session/client.ts";
import { sought } from "./sought.ts";
import { report } from "../session/status.ts";

/** The current branch, as far back as it was asked for. */
export const messages = signal<readonly ShownMessage[]>([]);
/** How many messages the branch ever had. */
export const total = signal(0);
/** A turn that runs in a branch which is not on the page; `questionId` is the message that it answers, once known. */
export const elsewhere = signal<{ readonly turnId: string; readonly questionId: string | null } | null>(null);
export const talkState = signal<"ready" | "loading" | "gone" | "failed">("ready");
const earlier = signal<string | null>(null);
export const hasEarlier = computed(() => earlier.value !== null);

/** Ends whatever belongs to the conversation that was on the page before. */
let visit = new AbortController();

/** Aborts when the page goes to another conversation: what was asked for before then no longer matters. */
export function currentVisit(): AbortSignal {
  return visit.signal;
}

/** Leaves the conversation on the page. Its running reply goes on at the server. */
export function leave(): AbortSignal {
  visit.abort();
  visit = new AbortController();
  elsewhere.value = null;
  return visit.signal;
}

/** Shows a new conversation. */
export function openNew(): void {
  leave();
  showNothing("ready");
}

function showNothing(state: "ready" | "loading"): void {
  conversation.value = sought.value = null;
  messages.value = [];
  earlier.value = null;
  talkState.value = state;
}

/** Shows conversation `id`; returns the turn that is running in it, null where there is none or it could not be shown. */
export async function open(id: string): Promise<string | null> {
  const here = leave();
  // Going to another conversation empties the page; looking again at the same one does not.
  if (conversation.peek()?.id !== id) showNothing("loading");
  const before = messages.peek();
  try {
    // In this order: a reply that ends in between is among the messages, and following its turn shows nothing new.
    const found = await api.conversation(id);
    const page = await api.messages(id);
    // What the reader did meanwhile is newer than what was read.
    if (here.aborted || messages.peek() !== before) return null;
    take(found, page);
    talkState.value = "ready";
    return found.running_turn_id;
  } catch (error) {
    if (here.aborted) return null;
    const isGone = error instanceof Problem && error.status === 404;
    if (isGone) unlist(id);
    // A reply that runs is followed no longer: to look again is the way back to it.
    const isCut = messages.peek().some(({ status }) => status === "running");
    if (isGone || isCut || conversation.peek() === null) talkState.value = isGone ? "gone" : "failed";
    return null;
  }
}

/** Brings the page up to date after something happened in the conversation: title, expiry, branches, what was dropped. */
export async function refresh(): Promise<void> {
  const id = conversation.peek()?.id;
  const here = currentVisit();
  const before = messages.peek();
  if (id === undefined) return;
  const read = await Promise.all([api.conversation(id), api.messages(id)]).catch(() => null);
  if (read === null) return;
  const [found, page] = read;
  const isSame = messages.peek() === before && before.every(({ status }) => status !== "running");
  if (here.aborted) list(found);
  else if (isSame) take(found, page);
  else rename(found);
}

/** Brings the title up to date, and leaves the messages alone. */
export async function refreshTitle(): Promise<void> {
  const id = conversation.peek()?.id;
  const here = currentVisit();
  if (id === undefined) return;
  const found = await api.conversation(id).catch(() => null);
  if (found === null) return;
  if (here.aborted) list(found);
  else rename(found);
}

function rename(found: Conversation): void {
  list(found);
  conversation.value = found;
}

function take(found: Conversation, page: MessagePage): void {
  const newest = withKnownKeys(page.messages.map(fromStore));
  const shown = messages.peek();
  const from = page.next === null ? -1 : shown.findIndex(({ id }) => id === newest[0]?.id);
  rename(found);
  total.value = page.total;
  // Pages before this one stay where it joins them: the way to a message is always the same.
  messages.value = [...shown.slice(0, Math.max(from, 0)), ...newest];
  if (from <= 0) earlier.value = page.next;
}

/**
 * Shows the page of messages before those that are shown; false where that failed.
 *
 * @param isAsked whether the reader waits for it, and is told then.
 */
export async function showEarlier(isAsked: boolean): Promise<boolean> {
  const id = conversation.peek()?.id;
  const here = currentVisit();
  const before = earlier.peek();
  if (id === undefined || before === null) return true;
  const page = await api.messages(id, before).catch((error: unknown) => {
    if (isAsked && !here.aborted) report(error);
    return null;
  });
  if (page === null) return false;
  if (here.aborted || earlier.peek() !== before) return true;
  messages.value = [...page.messages.map(fromStore), ...messages.peek()];
  earlier.value = page.next;
  return true;
}

export function replaceMessage(key: string, change: (message: ShownMessage) => ShownMessage): void {
  messages.value = messages.peek().map((message) => (message.key === key ? change(message) : message));
}

export function dropMessages(...keys: string[]): void {
  messages.value = messages.peek().filter(({ key }) => !keys.includes(key));
}

/** A message that is on the page already keeps its nodes; one that has not changed is the same, and not drawn anew. */
function withKnownKeys(found: readonly ShownMessage[]): ShownMessage[] {
  const known = new Map(messages.peek().map((message) => [message.id, message]));
  return found.map((message) => {
    const before = known.get(message.id);
    if (before === undefined) return message;
    const now = { ...message, key: before.key, cause: before.cause, finishReason: message.finishReason ?? before.finishReason };
    return JSON.stringify(now) === JSON.stringify(before) ? before : now;
  });
}
