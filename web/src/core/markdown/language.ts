import { Lexer, Marked, Parser, type Links, type RendererObject, type Token, type TokenizerExtension } from "marked";

/** A reply's headings stand below the page's own h1 and h2. */
const HEADING_OFFSET = 2;
const DEEPEST_HEADING = 6;

const CJK = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\u3000-\u303f\uff00-\uffef]/u;

/**
 * Strong text beside Chinese punctuation. CommonMark closes `**粗体：**文字` only where a space follows, and Chinese has
 * none; so a pair of `**` in a Chinese text whose content begins or ends with punctuation is strong, whatever follows.
 */
const strongBesidePunctuation: TokenizerExtension = {
  name: "strong",
  level: "inline",
  tokenizer(src) {
    const match = /^\*\*(?=[^\s*])((?:[^*\n`\\]|`[^`\n]*`){0,300}[^\s*])\*\*(?!\*)(.?)/u.exec(src);
    const content = match?.[1];
    if (match === null || content === undefined) return undefined;
    if (!/^[\p{P}\p{S}]|[\p{P}\p{S}]$/u.test(content) || !CJK.test(content + match[2])) return undefined;
    return { type: "strong", raw: `**${content}**`, text: content, tokens: this.lexer.inlineTokens(content) };
  },
};

const renderer: RendererObject = {
  // A reader learns more from the tag that a model wrote than from what a browser would make of it.
  html({ text, block }) {
    if (/^<br\s*\/?>$/i.test(text.trim())) return "<br>";
    return block ? `<p>${escape(text.trimEnd())}</p>\n` : escape(text);
  },
  heading({ tokens, depth }) {
    const level = Math.min(DEEPEST_HEADING, depth + HEADING_OFFSET);
    return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>\n`;
  },
  code({ text, lang }) {
    const name = /^\S+/.exec(lang ?? "")?.[0] ?? "";
    const label = name === "" ? "" : ` class="language-${escape(name)}"`;
    const head = `<div class="code-head"><span>${escape(name)}</span></div>`;
    return `<div class="code">${head}<pre tabindex="0"><code${label}>${escape(text)}\n</code></pre></div>\n`;
  },
  table({ header, rows }) {
    const row = (cells: string[]) => `<tr>\n${cells.join("")}</tr>\n`;
    const head = row(header.map((cell) => this.tablecell(cell)));
    const body = rows.map((cells) => row(cells.map((cell) => this.tablecell(cell)))).join("");
    return `<div class="table" tabindex="0"><table>\n<thead>\n${head}</thead>\n<tbody>${body}</tbody></table></div>\n`;
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

const language = new Marked({ gfm: true, renderer, extensions: [strongBesidePunctuation] });

/** The blocks of `text`. `links` are definitions from elsewhere; those found in `text` are added to it. */
export function lex(text: string, links: Links = {}): Token[] {
  const lexer = new Lexer(language.defaults);
  lexer.tokens.links = links;
  return lexer.lex(text);
}

/** The HTML of blocks: not yet sanitised. */
export function toHtml(tokens: Token[]): string {
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
