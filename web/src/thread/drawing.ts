import { signal } from "@preact/signals";

import type { ShownMessage } from "./messages.ts";
import { messages } from "./thread.ts";

/** A step that takes longer than this is felt by a reader who scrolls. */
const STEP_MS = 12;
const FIRST_STEP = 10;
const MOST_A_STEP = 40;

/** How high a message is at the very least: what stands around its text, and so many characters to a line. */
const AROUND_PX = 50;
const LINE_PX = 25;
const CHARACTERS_A_LINE = 100;

/** Where drawing has got to in conversation `id`, by the key of the first message that is drawn. */
let first: { readonly id: string | undefined; readonly key: string | undefined } | null = null;
/** Rises with every step. */
const steps = signal(0);
let step = FIRST_STEP;

/** How many messages before the newest ones of conversation `id` wait for an idle moment. */
export function waiting(id: string | undefined): number {
  void steps.value;
  const at = first?.id === id ? messages.value.findIndex(({ key }) => key === first?.key) : -1;
  if (at >= 0) return at;
  // Once decided it stays: a message that is drawn is not taken away because newer ones come.
  const count = messages.value.length - countAtOnce(messages.value);
  first = { id, key: messages.value[count]?.key };
  return count;
}

/** How many of the newest messages fill what the reader sees; the others come while it is looked at. */
function countAtOnce(shown: readonly ShownMessage[]): number {
  let px = 0;
  const last = shown.findLastIndex(({ content }) => {
    px += AROUND_PX + (LINE_PX * content.length) / CHARACTERS_A_LINE;
    return px >= innerHeight;
  });
  return last < 0 ? shown.length : shown.length - last;
}

/** Draws the next step. `tookMs` is what the last one took. */
export function drawMore(id: string | undefined, tookMs: number): void {
  if (tookMs > 0) step = Math.min(MOST_A_STEP, Math.max(1, Math.floor((step * STEP_MS) / tookMs)));
  drawFrom(id, Math.max(waiting(id) - step, 0));
}

/** Draws the messages from number `index` on. */
export function drawFrom(id: string | undefined, index: number): void {
  if (index >= waiting(id)) return;
  first = { id, key: messages.peek()[index]?.key };
  steps.value += 1;
}
