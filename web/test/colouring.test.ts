// @vitest-environment jsdom
import { expect, test } from "vitest";

import { colouring } from "../src/markdown/colouring.ts";
import { GrowingMarkdown } from "../src/markdown/growing.ts";

test("a known language is marked, by its short name as well, and no character is lost", () => {
  const code = "def f():\n    return '<b>' & 1  # done\n";
  for (const name of ["python", "py"]) {
    const nodes = colouring(code, name);
    expect(nodes?.querySelector(".hljs-keyword")?.textContent).toBe("def");
    expect(nodes?.textContent).toBe(code);
  }
});

test("a language that is not known here is left alone", () => {
  expect(colouring("so be it", "latin")).toBe(null);
});

test("code stays text", () => {
  const code = "<img src=x onerror=alert(1)><script>alert(2)</script>\n";
  const nodes = colouring(code, "html");
  expect(nodes?.textContent).toBe(code);
  expect([...(nodes?.querySelectorAll("*") ?? [])].every(({ tagName }) => tagName === "SPAN")).toBe(true);
});

test("each block is handed over once, as soon as it is final", () => {
  const settled: string[] = [];
  const growing = new GrowingMarkdown(document.createElement("div"), (block) => {
    if (block instanceof Element) settled.push(block.tagName);
  });
  growing.show("first\n\n```py\nprint(1)\n");
  expect(settled).toEqual(["P"]);
  growing.show("first\n\n```py\nprint(1)\n```\n\nlast");
  expect(settled).toEqual(["P"]);
  growing.show("first\n\n```py\nprint(1)\n```\n\nlast\n");
  expect(settled).toEqual(["P", "DIV"]);
  growing.finish("first\n\n```py\nprint(1)\n```\n\nlast\n");
  expect(settled).toEqual(["P", "DIV", "P"]);
});
