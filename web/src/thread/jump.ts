import { effect } from "@preact/signals";

import { missingMessage } from "../api/problem.ts";
import { drawFrom } from "./drawing.ts";
import { goTo, openId } from "../session/route.ts";
import { api } from "../session/client.ts";
import { messageElement, sought } from "./sought.ts";
import { report, trouble } from "../session/status.ts";
import { hasEarlier, messages, showEarlier, talkState } from "./thread.ts";
import { conversation } from "../session/conversations.ts";
import { look } from "./visit.ts";

const MARKED_MS = 2_000;
/** So many messages above the one that is sought are drawn at once. */
const ABOVE = 4;

/** Opens conversation `id` at one of its messages, on whichever branch that is; null: at its end. */
export async function openAt(id: string, messageId: string | null): Promise<void> {
  trouble.value = null;
  sought.value = null;
  const from = openId.peek();
  const error: unknown = await choose(id, messageId);
  // Who has gone elsewhere meanwhile is not called back.
  if (openId.peek() !== from) return;
  const isThere = conversation.peek()?.id === id;
  goTo(id);
  if (isThere) await look(id);
  else await until(() => conversation.value?.id === id || talkState.value !== "loading" || openId.value !== id);
  if (error !== null) {
    // What else is wrong shows itself where the conversation is read.
    if (missingMessage(error) !== null) report(error);
    return;
  }
  if (messageId === null) return;
  const isShown = () => messages.peek().some((message) => message.id === messageId);
  while (!isShown() && hasEarlier.peek() && conversation.peek()?.id === id) {
    if (!(await showEarlier(true))) return;
  }
  if (!isShown()) return;
  drawFrom(id, Math.max(messages.peek().findIndex((message) => message.id === messageId) - ABOVE, 0));
  await mark(messageId);
}

/** Makes the branch of the message the current one; what went wrong, null where nothing did. */
async function choose(id: string, messageId: string | null): Promise<unknown> {
  if (messageId === null) return null;
  return api.switchBranch(id, messageId).then(() => null, (error: unknown) => error);
}

function until(holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const stop = effect(() => {
      if (!holds()) return;
      resolve();
      queueMicrotask(() => stop());
    });
  });
}

/** Brings a message into sight, marks it for a while, and puts the focus there. */
async function mark(messageId: string): Promise<void> {
  // Drawn in the first frame; what follows the newest text on the page has settled in the second.
  for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
  sought.value = messageId;
  const element = messageElement(messageId);
  element?.focus({ preventScroll: true });
  element?.classList.add("sought");
  setTimeout(() => element?.classList.remove("sought"), MARKED_MS);
}
