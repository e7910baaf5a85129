import type { MarkedExtension, Tokens } from "marked";

/** A formula as it was written. Its text stands on the page until what draws formulas has been fetched. */
interface FormulaToken extends Tokens.Generic {
  readonly text: string;
  readonly isDisplay: boolean;
}

/**
 * Inline: `$x$` and `\(x\)`. After Pandoc ("tex_math_dollars"): no space inside the marks and no digit behind them, so
 * that an amount of money is none.
 */
const INLINE = /^(?:\$\$(?!\$)([^$\n]+)\$\$|\$(?![\s$])((?:[^$\n\\]|\\.)+?)(?<!\s)\$(?![\d$])|\\\((.+?)\\\)|\\\[(.+?)\\\])/;

/** On lines of its own, without a blank one: `$$ x $$` and `\[ x \]`. One that is still open ends with the text. */
const BLOCK = /^ {0,3}(?:\$\$((?:(?!\$\$|\n[ \t]*\n)[^])*)(\$\$[ \t]*(?:\n|$)|(?=\n[ \t]*\n)|$)|\\\[((?:(?!\\\]|\n[ \t]*\n)[^])*)(\\\][ \t]*(?:\n|$)|(?=\n[ \t]*\n)|$))/;

/** The marks of formulas, for a reply is full of them wherever there is mathematics. `escape` makes text safe in HTML. */
export function formulas(escape: (text: string) => string): MarkedExtension {
  const draw = ({ text, isDisplay }: FormulaToken, tag: string) =>
    `<${tag} class="math${isDisplay ? " display" : ""}">${escape(text)}</${tag}>`;
  return {
    extensions: [
      {
        name: "formulaBlock",
        level: "block",
        start: (src) => /^ {0,3}(?:\$\$|\\\[)/m.exec(src)?.index,
        tokenizer(src) {
          const match = BLOCK.exec(src);
          if (match === null) return undefined;
          const [raw, dollars, dollarsEnd, brackets, bracketsEnd] = match;
          const isClosed = (dollarsEnd ?? bracketsEnd ?? "") !== "";
          const text = (dollars ?? brackets ?? "").trim();
          return { type: "formulaBlock", raw, text: isClosed ? text : raw.trim(), isDisplay: true, isClosed };
        },
        renderer: (token) =>
          (token.isClosed ? draw(token as FormulaToken, "div") : `<p>${escape(token.text)}</p>`) + "\n",
      },
      {
        name: "formula",
        level: "inline",
        start: (src) => /\$|\\[([]/.exec(src)?.index,
        tokenizer(src) {
          const match = INLINE.exec(src);
          if (match === null) return undefined;
          const text = match.slice(1).find((group) => group !== undefined) ?? "";
          return { type: "formula", raw: match[0], text, isDisplay: /^(?:\$\$|\\\[)/.test(src) };
        },
        renderer: (token) => draw(token as FormulaToken, "span"),
      },
    ],
  };
}
