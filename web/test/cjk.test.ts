// @vitest-environment jsdom
import { describe, expect, test } from "vitest";

import { GrowingMarkdown } from "../src/markdown/growing.ts";
import { CJK_CASES } from "./cjk.cases.ts";

/** The HTML of `text` as the page shows it, fed in pieces of `size`; without the line ends between blocks. */
function shown(text: string, size: number): string {
  const host = document.createElement("div");
  const growing = new GrowingMarkdown(host);
  for (let end = size; end < text.length; end += size) growing.show(text.slice(0, end));
  growing.finish(text);
  return host.innerHTML.replace(/>\n+</g, "><").trim();
}

describe.each(CJK_CASES)("%s", (_, text, html) => {
  test("whole", () => {
    expect(shown(text, text.length)).toBe(html);
  });

  test("three characters at a time", () => {
    expect(shown(text, 3)).toBe(html);
  });
});

test("there are enough of them, and none twice", () => {
  expect(CJK_CASES.length).toBeGreaterThanOrEqual(40);
  expect(new Set(CJK_CASES.map(([, text]) => text)).size).toBe(CJK_CASES.length);
});
