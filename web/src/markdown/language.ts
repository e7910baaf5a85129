import {
  Lexer,
  type Links,
  Marked,
  Parser,
  type RendererObject,
  type Token,
  Tokenizer,
  type TokenizerExtension,
  type TokenizerObject,
} from "marked";

import { formulas } from "./formula.ts";

/** The first heading of a reply, whatever its depth, stands right below the page's own h1 and h2: no level is skipped. */
const TOP_HEADING = 3;
const DEEPEST_HEADING = 6;

const CJK = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\u3000-\u303f\uff00-\uffef]/u;

/** Content without the mark around it, code spans skipped over. Bounded, so that no text makes it search for long. */
const WITHIN = /(?:[^*~\n`\\]|`[^`\n]*`){0,300}[^\s*~]/u.source;
const WITHIN_STRONG = /(?:[^*\n`\\]|`[^`\n]*`|\*[^\s*`\n]{1,100}\*){0,300}[^\s*]/u.source;
/** Marks, the longest first, with what may stand within and behind them. */
const MARKED = [
  { type: "em strong", pattern: new RegExp(`^\\*{3}(?=[^\\s*])(${WITHIN})\\*{3}(?!\\*)(.?)`, "u") },
  { type: "strong", pattern: new RegExp(`^\\*\\*(?=[^\\s*])(${WITHIN_STRONG})\\*\\*(?:(?!\\*)|(?=\\*\\*[^\\s*]))(.?)`, "u") },
  // A product in full-width brackets is none: `3*（4）*5`.
  { type: "em", pattern: new RegExp(`^\\*(?=[^\\s*])(${WITHIN}(?<=[：。，！？；、…]))\\*(?!\\*)(.?)`, "u") },
  { type: "del", pattern: new RegExp(`^~~(?=[^\\s~])(${WITHIN})~~(?!~)(.?)`, "u") },
];

/**
 * Marked text beside Chinese punctuation. CommonMark closes `**粗体：**文字` only where a space follows, and Chinese has
 * none; so a pair of marks in a Chinese text whose content begins or ends with punctuation holds, whatever follows.
 */
const markedBesidePunctuation: TokenizerExtension = {
  name: "strong",
  level: "inline",
  tokenizer(src) {
    if (src[0] !== "*" && src[0] !== "~") return undefined;
    for (const { type, pattern } of MARKED) {
      const match = pattern.exec(src);
      const text = match?.[1];
      if (match === null || text === undefined) continue;
      if (!/^[\p{P}\p{S}]|[\p{P}\p{S}]$/u.test(text) || !CJK.test(text + match[2])) return undefined;
      const raw = src.slice(0, src.indexOf(text) * 2 + text.length);
      const tokens = this.lexer.inlineTokens(text);
      if (type !== "em strong") return { type, raw, text, tokens };
      return { type: "em", raw, text, tokens: [{ type: "strong", raw: text, text, tokens }] };
    }
    return undefined;
  },
};

/** Where an address in running Chinese ends: at its punctuation, for there is no space. */
const ADDRESS_END = /[\s<。，；：！？、…（）【】《》「」『』“”‘’]/u;

const tokenizer: TokenizerObject = {
  url(src) {
    const end = src.search(ADDRESS_END);
    return Tokenizer.prototype.url.call(this, end < 0 ? src : src.slice(0, end));
  },
  // One tilde is a range in Chinese: 3~5天，7~8天.
  del: (src) => (src.startsWith("~~") ? false : undefined),
};

const renderer: RendererObject = {
  // A reader learns more from the tag that a model wrote than from what a browser would make of it.
  html({ text, block }) {
    if (/^<br\s*\/?>$/i.test(text.trim())) return "<br>";
    return block ? `<p>${escape(text.trimEnd())}</p>\n` : escape(text);
  },
  heading({ tokens, depth }) {
    const level = Math.min(DEEPEST_HEADING, Math.max(TOP_HEADING, TOP_HEADING + depth - topDepth));
    return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>\n`;
  },
  code({ text, lang }) {
    const name = /^\S+/.exec(lang ?? "")?.[0] ?? "";
    const label = name === "" ? "" : ` class="language-${escape(name)}"`;
    const head = `<div class="block-head"><span>${escape(name)}</span></div>`;
    return `<div class="code">${head}<pre tabindex="0"><code${label}>${escape(text)}\n</code></pre></div>\n`;
  },
  table({ header, rows }) {
    const row = (cells: string[]) => `<tr>\n${cells.join("")}</tr>\n`;
    const head = row(header.map((cell) => this.tablecell(cell)));
    const body = rows.map((cells) => row(cells.map((cell) => this.tablecell(cell)))).join("");
    const table = `<table>\n<thead>\n${head}</thead>\n<tbody>${body}</tbody></table>`;
    return `<div class="table"><div class="block-head"><span></span></div><div class="wide" tabindex="0">${table}</div></div>\n`;
  },
  checkbox({ checked }) {
    return `<span class="box">${checked ? "☑" : "☐"}</span> `;
  },
  link({ href, title, tokens }) {
    const content = this.parser.parseInline(tokens);
    return isLinkable(href) ? anchor(href, title, content) : content;
  },
  // Nothing in a reply is loaded by itself: an image's address could carry the talk to whoever wrote the prompt.
  image({ href, title, text }) {
    const name = escape(text || href);
    return /^https?:/i.test(href) ? anchor(href, title, name) : name;
  },
};

const language = new Marked({ gfm: true, renderer, tokenizer, extensions: [markedBesidePunctuation] }, formulas(escape));

/** The blocks of `text`. `links` are definitions from elsewhere; those found in `text` are added to it. */
export function lex(text: string, links: Links = {}): Token[] {
  const lexer = new Lexer(language.defaults);
  lexer.tokens.links = links;
  return lexer.lex(text);
}

/** The depth of the first heading in blocks and what they hold; undefined where there is none. */
export function firstHeading(tokens: Token[]): number | undefined {
  let depth: number | undefined;
  language.walkTokens(tokens, (token) => {
    if (token.type === "heading") depth ??= token.depth;
  });
  return depth;
}

/** What the renderer below is told by `toHtml`: it has no other way to know of the rest of the text. */
let topDepth = 1;

/** The HTML of blocks, not yet sanitised, in a text whose first heading is of depth `top`. */
export function toHtml(tokens: Token[], top = 1): string {
  topDepth = top;
  return Parser.parse(tokens, language.defaults);
}

function anchor(href: string, title: string | null | undefined, content: string): string {
  return `<a href="${escape(href)}"${title ? ` title="${escape(title)}"` : ""}>${content}</a>`;
}

function isLinkable(href: string): boolean {
  return /^(?:https?:\/\/|mailto:)/i.test(href);
}

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
