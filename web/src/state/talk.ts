import { computed, signal } from "@preact/signals";

import type { Conversation } from "../core/contract.ts";
import { Problem } from "../core/problem.ts";
import { list, unlist } from "./conversations.ts";
import { fromStore, type ShownMessage } from "./messages.ts";
import { api } from "./server.ts";

/** The conversation on the page; null while it is a new one that the server does not know yet. */
export const conversation = signal<Conversation | null>(null);
export const messages = signal<readonly ShownMessage[]>([]);
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
  return visit.signal;
}

/** Shows a new conversation. */
export function openNew(): void {
  leave();
  conversation.value = null;
  messages.value = [];
  earlier.value = null;
  talkState.value = "ready";
}

/** Shows conversation `id`; returns the turn that is running in it, null where there is none or it could not be shown. */
export async function open(id: string): Promise<string | null> {
  const here = leave();
  // Going to another conversation empties the page; looking again at the same one does not.
  if (conversation.peek()?.id !== id) {
    conversation.value = null;
    messages.value = [];
    earlier.value = null;
    talkState.value = "loading";
  }
  try {
    // In this order: a reply that ends in between is among the messages, and following its turn shows nothing new.
    const found = await api.conversation(id);
    const page = await api.messages(id);
    if (here.aborted) return null;
    conversation.value = found;
    messages.value = withKnownKeys(page.messages.map(fromStore));
    earlier.value = page.next;
    talkState.value = "ready";
    list(found);
    return found.running_turn_id;
  } catch (error) {
    if (here.aborted) return null;
    const isGone = error instanceof Problem && error.status === 404;
    if (isGone) unlist(id);
    if (isGone || conversation.peek() === null) talkState.value = isGone ? "gone" : "failed";
    return null;
  }
}

/** Shows the page of messages before those that are shown. */
export async function showEarlier(): Promise<void> {
  const id = conversation.peek()?.id;
  const here = currentVisit();
  if (id === undefined || earlier.peek() === null) return;
  const page = await api.messages(id, earlier.peek()).catch(() => null);
  if (page === null || here.aborted) return;
  messages.value = [...page.messages.map(fromStore), ...messages.peek()];
  earlier.value = page.next;
}

/** Brings title, expiry and count up to date after something happened in the conversation. */
export async function refresh(): Promise<void> {
  const id = conversation.peek()?.id;
  const here = currentVisit();
  if (id === undefined) return;
  const found = await api.conversation(id).catch(() => null);
  if (found === null) return;
  list(found);
  if (!here.aborted) conversation.value = found;
}

export function replaceMessage(key: string, change: (message: ShownMessage) => ShownMessage): void {
  messages.value = messages.peek().map((message) => (message.key === key ? change(message) : message));
}

export function dropMessages(...keys: string[]): void {
  messages.value = messages.peek().filter(({ key }) => !keys.includes(key));
}

/** A message that is on the page already keeps its nodes. */
function withKnownKeys(found: readonly ShownMessage[]): ShownMessage[] {
  const keys = new Map(messages.peek().map(({ id, key }) => [id, key]));
  return found.map((message) => ({ ...message, key: keys.get(message.id) ?? message.key }));
}
