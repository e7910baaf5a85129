import { expect, test } from "vitest";

import { marked } from "../src/sidebar/highlights.ts";

test.each([
  ["a cup of tea", [[2, 5], [9, 12]], ["a ", "[cup]", " of ", "[tea]"]],
  ["😀茶😀茶", [[1, 2], [3, 4]], ["😀", "[茶]", "😀", "[茶]"]],
  ["tea", [[0, 3]], ["[tea]"]],
  ["tea", [], ["tea"]],
  ["<b>tea</b>", [[3, 6]], ["<b>", "[tea]", "</b>"]],
  ["short", [[3, 99]], ["sho", "[rt]"]],
] as [string, [number, number][], string[]][])("%s with %j", (text, spans, parts) => {
  expect(marked(text, spans).map(({ text, isMarked }) => (isMarked ? `[${text}]` : text))).toEqual(parts);
});
