import { type Signal, useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useCallback, useLayoutEffect, useRef } from "preact/hooks";

/** Nearer to the end than this is at the end: a line's height, so that rounding and a nudge do not count as leaving. */
const END_PX = 40;

export interface FollowedScroll {
  readonly scroller: RefObject<HTMLDivElement | null>;
  readonly content: RefObject<HTMLDivElement | null>;
  readonly isAtEnd: Signal<boolean>;
  /** Whether text came while the reader was elsewhere. */
  readonly hasNews: Signal<boolean>;
  readonly toEnd: () => void;
}

/**
 * Keeps the newest text in sight for a reader who is at the end, and does not move one who has scrolled up. Only a reply
 * that `isGrowing` is followed: what the reader opens stays where it is. While `hasText` says no, the page begins at its
 * top.
 */
export function useFollowScroll(hasText: () => boolean, isGrowing: () => boolean): FollowedScroll {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  /** Whether the next growth is new text: while a reply is made, and once more for what its end adds. */
  const isFollowing = useRef(true);
  /** Where the page was last left. Above it only the reader can be. */
  const top = useRef(0);
  const isAtEnd = useSignal(true);
  const hasNews = useSignal(false);
  const frame = useRef(0);

  const scrollToEnd = () => {
    const element = scroller.current;
    if (element === null) return;
    element.scrollTop = hasText() ? element.scrollHeight : 0;
    top.current = element.scrollTop;
  };
  const toEnd = useCallback(() => {
    isFollowing.current = true;
    isAtEnd.value = true;
    hasNews.value = false;
    // With the next frame: to ask for the height now would have everything laid out once more.
    cancelAnimationFrame(frame.current);
    frame.current = requestAnimationFrame(scrollToEnd);
  }, []);

  useLayoutEffect(() => {
    const element = scroller.current;
    const inner = content.current;
    if (element === null || inner === null) return;
    let height = 0;
    const distance = () => element.scrollHeight - element.scrollTop - element.clientHeight;
    const look = () => {
      // Only the reader goes up; text that grows merely leaves the end further down.
      if (distance() <= END_PX) isAtEnd.value = true;
      else if (element.scrollTop < top.current - 1) isAtEnd.value = false;
      top.current = element.scrollTop;
      if (isAtEnd.value) hasNews.value = false;
    };
    const resized = new ResizeObserver((entries) => {
      // The reader may have gone up since, and their own event is still to come.
      if (element.scrollTop < top.current - 1) look();
      const isNewText = isFollowing.current || isGrowing();
      const isOpened = !isNewText && entries.every(({ target }) => target === inner);
      if (isOpened) isAtEnd.value = distance() <= END_PX;
      else if (isAtEnd.peek()) scrollToEnd();
      else if (isNewText && inner.offsetHeight > height) hasNews.value = true;
      isFollowing.current = isGrowing();
      height = inner.offsetHeight;
    });
    element.addEventListener("scroll", look, { passive: true });
    resized.observe(inner);
    resized.observe(element);
    return () => {
      element.removeEventListener("scroll", look);
      resized.disconnect();
    };
  }, []);

  return { scroller, content, isAtEnd, hasNews, toEnd };
}
