import { computed, signal } from "@preact/signals";

import type { Conversation, ConversationChange, ConversationPage } from "../api/contract.ts";
import { report } from "./status.ts";
import { api } from "./client.ts";

/** The conversation on the page; null while it is a new one that the server does not know yet. */
export const conversation = signal<Conversation | null>(null);
/** The side list, newest activity first. */
export const conversations = signal<readonly Conversation[]>([]);
export const listState = signal<"loading" | "ready" | "failed">("loading");
const next = signal<string | null>(null);
export const hasMore = computed(() => next.value !== null);

/** Whether more than the newest page was asked for. */
let isFurtherDown = false;

/** Reads the newest page again; what was listed before is still worth showing where that fails. */
export async function loadConversations(): Promise<void> {
  const page = await api.conversations().catch(() => null);
  if (page !== null) takeConversations(page);
}

export function takeConversations(page: ConversationPage): void {
  // What was asked for from further down stays.
  const oldest = page.conversations.at(-1)?.updated_at ?? 0;
  const further = isFurtherDown ? conversations.peek().filter(({ updated_at }) => updated_at < oldest) : [];
  conversations.value = [...page.conversations, ...further];
  if (!isFurtherDown) next.value = page.next;
  listState.value = "ready";
}

export async function loadMore(): Promise<void> {
  try {
    const page = await api.conversations(next.peek());
    const known = new Set(conversations.peek().map(({ id }) => id));
    conversations.value = [...conversations.peek(), ...page.conversations.filter(({ id }) => !known.has(id))];
    next.value = page.next;
    isFurtherDown = true;
  } catch (error) {
    report(error);
  }
}

/** Puts `conversation` into the list where its last activity belongs. */
export function list(conversation: Conversation): void {
  const others = conversations.peek().filter(({ id }) => id !== conversation.id);
  conversations.value = [...others, conversation].sort((a, b) => b.updated_at - a.updated_at);
}

export function unlist(id: string): void {
  conversations.value = conversations.peek().filter((conversation) => conversation.id !== id);
}

/** The changes that the server has not answered yet, one after the other. */
let changing: Promise<unknown> = Promise.resolve();

/** Resolves once they are answered: a reply that is asked for then goes by them. */
export function changesAnswered(): Promise<unknown> {
  return changing;
}

/** Changes a conversation at the server and in the list; null, and the trouble told, where that failed. */
export function change(id: string, fields: ConversationChange): Promise<Conversation | null> {
  const answer = changing.then(() => ask(id, fields));
  changing = answer.catch(() => {});
  return answer;
}

async function ask(id: string, fields: ConversationChange): Promise<Conversation | null> {
  try {
    const conversation = await api.changeConversation(id, fields);
    list(conversation);
    return conversation;
  } catch (error) {
    report(error);
    return null;
  }
}
