import katex from "katex";

import { sanitise } from "./sanitise.ts";

const ATTRIBUTES = (
  "accent accentunder columnalign columnlines columnspacing depth display displaystyle fence height linethickness " +
  "lspace mathbackground mathcolor mathsize mathvariant maxsize minsize notation rowalign rowlines rowspacing rspace " +
  "scriptlevel separator stretchy symmetric voffset width"
).split(" ");

/** What KaTeX writes as MathML, and nothing that could be loaded, followed or run. */
const MATH = {
  ALLOWED_TAGS: (
    "math menclose merror mfrac mi mn mo mover mpadded mphantom mroot mrow mspace msqrt mstyle msub msubsup msup " +
    "mtable mtd mtext mtr munder munderover semantics"
  ).split(" "),
  ALLOWED_ATTR: ATTRIBUTES,
  // None of them is an address.
  ADD_URI_SAFE_ATTR: ATTRIBUTES,
  // The source of a formula stands in it once more, and is not to be read twice.
  FORBID_CONTENTS: ["annotation"],
};

/** The MathML of a formula in TeX; null where it is none. Browsers draw it themselves: no font and no style is fetched. */
export function mathMl(text: string, isDisplay: boolean): DocumentFragment | null {
  try {
    // `trust` and macros stay off: a formula can name no address. Bounded, so that none takes the page's time.
    const options = { output: "mathml", displayMode: isDisplay, maxExpand: 200, maxSize: 20, strict: "ignore" } as const;
    return sanitise(katex.renderToString(text, options), MATH);
  } catch {
    return null;
  }
}
