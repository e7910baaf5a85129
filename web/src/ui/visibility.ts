import type { ArticleHTMLAttributes } from "preact";
import { useState } from "preact/hooks";

/** Browsers that skip what is far away without saying so when it comes near draw all of it. */
const IS_TOLD = "ContentVisibilityAutoStateChangeEvent" in globalThis;

export interface Nearness {
  /** Whether the reader is, or was, near: only then a message has its buttons. */
  readonly isNear: boolean;
  /** For the element whose `content-visibility` is `auto`. */
  readonly watch: ArticleHTMLAttributes<HTMLElement>;
}

/**
 * Whether an element that the browser skips while it is out of sight has come near what the reader sees.
 *
 * @param isExact whether it is not skipped at all.
 */
export function useNearness(isExact: boolean): Nearness {
  const [isNear, setIsNear] = useState(isExact || !IS_TOLD);
  if (isExact && !isNear) setIsNear(true);
  const onChange = (event: ContentVisibilityAutoStateChangeEvent) => {
    if (!event.skipped) setIsNear(true);
  };
  const watch = isNear ? {} : ({ oncontentvisibilityautostatechange: onChange } as ArticleHTMLAttributes<HTMLElement>);
  return { isNear, watch };
}
