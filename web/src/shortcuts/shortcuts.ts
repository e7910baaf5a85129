export type Action = "search" | "new" | "help" | "stop" | "input" | "edit" | "copy";

interface Shortcut {
  readonly action: Action | "send" | "line";
  /** Each as `chordOf` names it; the first is the one that people are shown. */
  readonly chords: readonly string[];
}

/** All there are, in the order in which people are told. The input itself sends and breaks lines. */
export const SHORTCUTS: readonly Shortcut[] = [
  { action: "send", chords: ["enter"] },
  { action: "line", chords: ["Shift+enter"] },
  { action: "search", chords: ["Mod+k"] },
  { action: "new", chords: ["Mod+Shift+o"] },
  { action: "input", chords: ["Shift+escape"] },
  { action: "stop", chords: ["escape"] },
  { action: "edit", chords: ["arrowup"] },
  { action: "copy", chords: ["Mod+Shift+c"] },
  // On some keyboards the stroke itself is a shifted key.
  { action: "help", chords: ["Mod+/", "Mod+Shift+/", "Shift+?", "?"] },
];

/** Where a key was pressed. */
export interface Place {
  /** In the input for messages. */
  readonly isInput: boolean;
  readonly isInputEmpty: boolean;
  /** In any field: plain characters are text there. */
  readonly isField: boolean;
}

/** What a chord asks for, null where it is nothing of ours. */
export function actionOf(chord: string, { isInput, isInputEmpty, isField }: Place): Action | null {
  const action = SHORTCUTS.find(({ chords }) => chords.includes(chord))?.action;
  switch (action) {
    case undefined:
    case "send":
    case "line":
      return null;
    case "stop":
      return isInput ? action : null;
    case "edit":
      return isInput && isInputEmpty ? action : null;
    case "help":
      return isField && !chord.startsWith("Mod+") ? null : action;
    default:
      return action;
  }
}
