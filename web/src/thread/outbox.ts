import { INSTANCE } from "../browser/instance.ts";
import { randomKey } from "../browser/randomKey.ts";
import { hold, whenFree } from "../browser/tabs.ts";
import { giveBack, takeBack } from "./drafts.ts";
import { keep, recall } from "../browser/storage.ts";
import type { ShownMessage } from "./messages.ts";

/** A message between Enter and the server's word that it has it. Kept through reloads. */
interface Unsent {
  /** The `Idempotency-Key`: however often the text is sent with it, the server takes it once. */
  readonly key: string;
  readonly text: string;
  /** The newest message on the page at the time: a text that the server took after all stands right below that one. */
  readonly after: string | null;
  /** Whether the text is back in the input. */
  readonly isBack: boolean;
}

/** The keys that this very page is sending with, and what tells other tabs that it no longer does. */
const underWay = new Map<string, () => void>();

const nameOf = (id: string | null) => `unsent.${id ?? "new"}`;
const lockOf = (key: string) => `${INSTANCE}-unsent-${key}`;

/**
 * Keeps `text` of conversation `id` (null: a new one), to be said after the message `after`; returns the key to send it
 * with, the same one for the same text in the same place.
 */
export function takeOut(id: string | null, text: string, after: string | null): string {
  const before = read(id);
  const isAgain = before?.text === text && before.after === after;
  const unsent = isAgain ? before : { key: randomKey(), text, after };
  if (!underWay.has(unsent.key)) underWay.set(unsent.key, hold(lockOf(unsent.key)));
  write(id, { ...unsent, isBack: false });
  return unsent.key;
}

/** The new conversation that `key` is for has got its id. */
export function moveOut(id: string, key: string): void {
  const unsent = read(null);
  if (unsent?.key !== key) return;
  write(null, null);
  write(id, unsent);
}

/** The server has what was sent with `key`. */
export function settleSent(id: string, key: string): void {
  const unsent = read(id);
  if (unsent?.key === key) forget(id, unsent);
  arrive(key);
}

/**
 * `text`, which was to be sent with `key`, goes back into the input; the last one is sent with the same key from there,
 * unless the key `isUsedUp`.
 */
export function settleUnsent(id: string | null, key: string, text: string, isUsedUp = false): void {
  const unsent = read(id);
  if (isUsedUp && unsent?.key === key) write(id, null);
  // Where another text was sent since, or nothing can be kept, there is no key to find again. The text is no less wanted.
  else if (unsent?.key === key) write(id, { ...unsent, isBack: true });
  giveBack(id, text);
  arrive(key);
}

/** Last of all: other tabs then find what became of it. */
function arrive(key: string): void {
  underWay.get(key)?.();
  underWay.delete(key);
}

/**
 * Settles what was left on its way in conversation `id`, whose messages are `shown`: by an earlier load of the page, or
 * by a tab that is gone. What another tab is still sending is its own.
 */
export function settleLeft(id: string | null, shown: readonly ShownMessage[]): void {
  const unsent = read(id);
  if (unsent === null || underWay.has(unsent.key)) return;
  if (wasTaken(unsent, shown)) forget(id, unsent);
  else if (!unsent.isBack) whenFree(lockOf(unsent.key), () => takeOver(id, unsent.key));
}

function takeOver(id: string | null, key: string): void {
  const unsent = read(id);
  if (unsent?.key === key && !unsent.isBack) settleUnsent(id, key, unsent.text);
}

function wasTaken({ after, text }: Unsent, shown: readonly ShownMessage[]): boolean {
  return shown.some(({ role, content, parentId }) => role === "user" && parentId === after && content === text);
}

function forget(id: string | null, { text, isBack }: Unsent): void {
  write(id, null);
  if (isBack) takeBack(id, text);
}

function read(id: string | null): Unsent | null {
  return JSON.parse(recall(nameOf(id)) ?? "null");
}

function write(id: string | null, unsent: Unsent | null): void {
  keep(nameOf(id), unsent === null ? "" : JSON.stringify(unsent));
}
