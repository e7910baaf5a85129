/** A part of a text, and whether it is what somebody looked for. */
export interface Part {
  readonly text: string;
  readonly isMarked: boolean;
}

/** `text` in parts, those within `spans` marked. Spans count code points, come in order and do not overlap. */
export function marked(text: string, spans: readonly (readonly [number, number])[]): Part[] {
  const characters = [...text];
  const parts: Part[] = [];
  let at = 0;
  const add = (end: number, isMarked: boolean) => {
    if (end > at) parts.push({ text: characters.slice(at, end).join(""), isMarked });
    at = Math.max(at, end);
  };
  for (const [from, to] of spans) {
    add(from, false);
    add(to, true);
  }
  add(characters.length, false);
  return parts;
}
