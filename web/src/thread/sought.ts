import { signal } from "@preact/signals";

/** The id of the message that the reader has asked to see: it stays in sight until they move, say or open something. */
export const sought = signal<string | null>(null);

/** A message on the page, where it is drawn. */
export function messageElement(id: string): HTMLElement | null {
  return document.querySelector(`[data-message="${CSS.escape(id)}"]`);
}
