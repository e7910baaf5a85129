/** Whether the key of commands is ⌘ and not Ctrl. */
export const isMac = /^(Mac|iP)/.test(navigator.platform);

/** A key with what is held down beside it, such as `Mod+Shift+o`; `Mod` is ⌘ on a Mac and Ctrl elsewhere. */
export function chordOf({ key, altKey, ctrlKey, metaKey, shiftKey }: KeyboardEvent, mac = isMac): string {
  const held = (mac ? metaKey : ctrlKey) ? "Mod+" : "";
  const other = altKey || (mac ? ctrlKey : metaKey) ? "Other+" : "";
  return other + held + (shiftKey ? "Shift+" : "") + key.toLowerCase();
}

/** The shortcuts of `shortcuts.ts` for which browsers have a use of their own. */
export const TAKEN = /^(Mod\+(k|(Shift\+)?\/|Shift\+[oc])|Shift\+escape)$/;
