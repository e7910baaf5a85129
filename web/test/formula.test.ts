// @vitest-environment jsdom
import { describe, expect, test } from "vitest";

import { csvOf } from "../src/markdown/csv.ts";
import { lex, toHtml } from "../src/markdown/language.ts";
import { mathMl } from "../src/markdown/mathml.ts";
import { sanitise } from "../src/markdown/sanitise.ts";

function parse(text: string): HTMLElement {
  const host = document.createElement("div");
  host.append(sanitise(toHtml(lex(text))));
  return host;
}

describe("a formula is found", () => {
  test.each([
    ["a $x^2$ b", ["x^2"]],
    ["\\(a_1*b*c\\) and $y$", ["a_1*b*c", "y"]],
    ["质能方程$E=mc^2$。", ["E=mc^2"]],
    ["$$\n\\sum_i i\n+ 1\n$$", ["\\sum_i i\n+ 1"]],
    ["text\n\\[ z \\]\nmore", ["z"]],
    ["inline $$w$$ too", ["w"]],
    ["| $a$ |\n|---|\n| \\(b\\) |", ["a", "b"]],
  ])("%j", (text, formulas) => {
    expect([...parse(text).querySelectorAll(".math")].map(({ textContent }) => textContent)).toEqual(formulas);
  });
});

describe("what is none stays", () => {
  test.each(["costs $5 and $10", "$ x $", "from $5-$10", "`$x$`", "```\n$$\nx\n$$\n```", "$$\nnever closed", "\\$x\\$"])("%j", (text) => {
    const host = parse(text);
    expect(host.querySelector(".math")).toBeNull();
    for (const word of text.match(/[\w]+/g) ?? []) expect(host.textContent).toContain(word);
  });
});

describe("MathML", () => {
  test("is what a browser draws, and says once what the formula is", () => {
    const host = document.createElement("div");
    host.append(mathMl("\\frac{a}{b}", true) ?? "");
    expect(host.querySelector("math")?.getAttribute("display")).toBe("block");
    expect(host.querySelector("mfrac")?.textContent).toBe("ab");
    expect(host.querySelector("annotation")).toBeNull();
    expect(host.textContent).toBe("ab");
  });

  test("is not made of what is no formula", () => {
    expect(mathMl("\\frac{a", false)).toBeNull();
    expect(mathMl("\\def\\x{\\x\\x}\\x", false)).toBeNull();
  });

  test.each(["\\href{javascript:alert(1)}{x}", "\\url{https://evil.example}", "\\includegraphics{https://evil.example/x.png}", "\\htmlStyle{position:fixed}{x}"])(
    "%s leads nowhere",
    (text) => {
      const host = document.createElement("div");
      host.append(mathMl(text, false) ?? "");
      for (const element of host.querySelectorAll("*")) {
        expect(element.getAttributeNames().filter((name) => /href|src|style|class|on/.test(name) && name !== "notation")).toEqual([]);
      }
    },
  );
});

test("a table is CSV after RFC 4180", () => {
  const host = parse("| a | b |\n|---|---|\n| one, two | say \"x\" |\n| **三** | |\n");
  expect(csvOf(host)).toBe('a,b\r\n"one, two","say ""x"""\r\n三,');
});
