/** An open code fence: from its first line on every character is text, until a line closes it. */
export interface OpenFence {
  readonly marker: string;
  /** Where the code begins, counted from the start of the fence. */
  readonly codeStart: number;
}

/** The fence that `block` opens and does not close; null for everything else, an indented fence included. */
export function openFence(block: string): OpenFence | null {
  const opening = /^(`{3,}(?=[^`\n]*\n)|~{3,})[^\n]*\n/.exec(block);
  const marker = opening?.[1];
  if (opening === null || marker === undefined) return null;
  const codeStart = opening[0].length;
  return closesWithin(block.slice(codeStart), marker) ? null : { marker, codeStart };
}

/**
 * How much of `text`, which begins at the start of a line or in its middle, is certainly code; null where a line of it
 * closes the fence. A last line that may still become the closing one is held back.
 */
export function certainlyCode(text: string, marker: string, atLineStart: boolean): number | null {
  const firstLineEnd = text.indexOf("\n");
  const wholeLines = atLineStart ? text : firstLineEnd < 0 ? "" : text.slice(firstLineEnd + 1);
  if (closesWithin(wholeLines, marker)) return null;
  const lastLine = text.slice(text.lastIndexOf("\n") + 1);
  const lastIsWhole = atLineStart || firstLineEnd >= 0;
  const mayClose = lastIsWhole && /^ {0,3}[`~]* *$/.test(lastLine);
  return mayClose ? text.length - lastLine.length : text.length;
}

function closesWithin(lines: string, marker: string): boolean {
  // As marked has it: up to three spaces, the marker, any more of either, spaces.
  return new RegExp(`^ {0,3}${marker}[~\`]* *$`, "m").test(lines);
}
