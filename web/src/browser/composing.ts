/**
 * Whether a key belongs to an input method that is still composing. Safari ends the composition before it tells of the
 * key, but gives that key the code 229 (UI Events, "Legacy key & mouse event attributes"), as all others do.
 */
export function isComposing(event: KeyboardEvent): boolean {
  return event.isComposing || event.keyCode === 229;
}

/** Without a real keyboard Enter is a new line: there is no Shift+Enter, and the button is near. */
export const touch = matchMedia("(hover: none) and (pointer: coarse)");

/** Whether a key says that what is written is to be sent. */
export function isSending(event: KeyboardEvent): boolean {
  if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return false;
  return !touch.matches || event.ctrlKey || event.metaKey;
}
