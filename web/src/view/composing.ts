/**
 * Whether a key belongs to an input method that is still composing. Safari ends the composition before it tells of the
 * key, but gives that key the code 229 (UI Events, "Legacy key & mouse event attributes"), as all others do.
 */
export function isComposing(event: KeyboardEvent): boolean {
  return event.isComposing || event.keyCode === 229;
}
