import { signal } from "@preact/signals";

import { messages } from "./talk.ts";

/** So many of the newest messages are drawn at once; more than a screen holds. */
const NEWEST = 10;
/** A step that takes longer than this is felt by a reader who scrolls. */
const STEP_MS = 12;
const MOST_A_STEP = 40;

/** Where drawing has got to, by the key of the first message that is drawn. */
const first = signal<{ readonly id: string | undefined; readonly key: string | undefined }>({ id: undefined, key: undefined });
let step = NEWEST;

/** How many messages before the newest ones of conversation `id` wait for an idle moment. */
export function waiting(id: string | undefined): number {
  const at = first.value.id === id ? messages.value.findIndex(({ key }) => key === first.value.key) : -1;
  return at >= 0 ? at : Math.max(messages.value.length - NEWEST, 0);
}

/** Draws the next step. `tookMs` is what the last one took. */
export function drawMore(id: string | undefined, tookMs: number): void {
  if (tookMs > 0) step = Math.min(MOST_A_STEP, Math.max(1, Math.floor((step * STEP_MS) / tookMs)));
  drawFrom(id, Math.max(waiting(id) - step, 0));
}

/** Draws the messages from number `index` on. */
export function drawFrom(id: string | undefined, index: number): void {
  if (index < waiting(id)) first.value = { id, key: messages.peek()[index]?.key };
}
