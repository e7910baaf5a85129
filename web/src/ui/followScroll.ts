import { type Signal, useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useCallback, useLayoutEffect, useRef } from "preact/hooks";

import { again, type Anchor, anchorAt, driftOf, isInSight, moved, scrolled, shiftOf } from "./anchor.ts";

/** Nearer to the end than this is at the end: a line's height, so that rounding and a nudge do not count as leaving. */
const END_PX = 40;
/** Less than this is rounding. */
const MOVED_PX = 1;
/**
 * Whether the browser itself keeps in its place what the reader looks at. Where it does not, that is put right at once: by
 * the next frame what was in sight would be skipped as far away, and take another height.
 */
const ANCHORS_ITSELF = CSS.supports("overflow-anchor: auto");
/** What is too high to stand in the middle begins so far below the edge. */
const MARGIN_PX = 16;

export interface Followed {
  /** Whether there is anything to read: else the page begins at its top. */
  readonly hasText: () => boolean;
  /** Whether a reply is being made. Only that is followed: what the reader opens stays where it is. */
  readonly isGrowing: () => boolean;
  /** What the reader has asked to see, where it is drawn. */
  readonly sought: () => HTMLElement | null;
  /** The reader has moved. */
  readonly onMove: () => void;
}

export interface FollowedScroll {
  readonly scroller: RefObject<HTMLDivElement | null>;
  readonly content: RefObject<HTMLDivElement | null>;
  readonly isAtEnd: Signal<boolean>;
  /** Whether text came while the reader was elsewhere. */
  readonly hasNews: Signal<boolean>;
  readonly toEnd: () => void;
  /** Brings what is sought into sight, and keeps it there. */
  readonly toSought: () => void;
  /** Messages have been drawn above. */
  readonly onDrawn: () => void;
}

/**
 * Keeps the newest text in sight for a reader who is at the end, and what they read in its place for all others: whatever
 * comes above it, and whatever height it takes. Not every browser does that by itself, and none at the very top; where
 * one does, nothing is left to do.
 */
export function useFollowScroll({ hasText, isGrowing, sought, onMove }: Followed): FollowedScroll {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  /** Whether the next growth is new text: while a reply is made, and once more for what its end adds. */
  const isFollowing = useRef(true);
  /** Where the page was last left, and what was seen there. From there only the reader moves. */
  const top = useRef(0);
  const anchor = useRef<Anchor>([]);
  const isAtEnd = useSignal(true);
  const hasNews = useSignal(false);
  const frame = useRef(0);

  const scrollTo = (element: Element, place: number) => {
    // Where the browser was there first, its own scrolling goes on undisturbed.
    if (Math.abs(element.scrollTop - place) >= MOVED_PX) element.scrollTop = place;
    top.current = element.scrollTop;
  };
  /** From here on this is what the reader looks at. */
  const lookHere = (element: Element) => {
    top.current = element.scrollTop;
    // What has been seen before has its height; what comes into sight beside it is about to take one.
    anchor.current = isInSight(anchor.current, element) ? again(anchor.current, element) : anchorAt(element);
  };
  const scrollToEnd = () => {
    const element = scroller.current;
    if (element === null) return;
    scrollTo(element, hasText() ? element.scrollHeight : 0);
    // While a reply is followed it is the end that is looked at.
    if (isGrowing()) anchor.current = [];
    else lookHere(element);
  };
  const toEnd = useCallback(() => {
    isFollowing.current = true;
    isAtEnd.value = true;
    hasNews.value = false;
    // With the next frame: to ask for the height now would have everything laid out once more.
    cancelAnimationFrame(frame.current);
    frame.current = requestAnimationFrame(scrollToEnd);
  }, []);
  const toSought = useCallback(() => {
    const [element, found] = [scroller.current, sought()];
    if (element === null || found === null) return;
    cancelAnimationFrame(frame.current);
    isAtEnd.value = false;
    const room = element.clientHeight - found.offsetHeight;
    const below = room > element.clientHeight / 2 ? room / 2 : MARGIN_PX;
    scrollTo(element, element.scrollTop + found.getBoundingClientRect().top - element.getBoundingClientRect().top - below);
    lookHere(element);
  }, []);

  /**
   * The reader has moved in the same moment in which something came above them, and their own event is still to come.
   * Only where the browser anchors nothing: there nobody else scrolls, but for the end of a page that has become shorter.
   */
  const takeMove = (element: Element) => {
    const movedPx = element.scrollTop - top.current;
    const distance = element.scrollHeight - element.scrollTop - element.clientHeight;
    if (ANCHORS_ITSELF || Math.abs(movedPx) < MOVED_PX || distance <= END_PX) return;
    onMove();
    if (movedPx < 0) isAtEnd.value = false;
    anchor.current = scrolled(anchor.current, movedPx);
    top.current = element.scrollTop;
  };
  const keep = (element: Element) => {
    scrollTo(element, element.scrollTop + driftOf(anchor.current, element));
    anchor.current = moved(anchor.current, element);
  };
  const onDrawn = useCallback(() => {
    const element = scroller.current;
    if (ANCHORS_ITSELF || element === null) return;
    takeMove(element);
    if (sought() !== null) toSought();
    else if (!isAtEnd.peek() || !isGrowing()) keep(element);
  }, []);

  useLayoutEffect(() => {
    const element = scroller.current;
    const inner = content.current;
    if (element === null || inner === null) return;
    let height = 0;
    const distance = () => element.scrollHeight - element.scrollTop - element.clientHeight;
    const look = () => {
      const movedPx = element.scrollTop - top.current;
      if (Math.abs(movedPx) < MOVED_PX) return;
      onMove();
      // Only the reader goes up; text that grows merely leaves the end further down.
      if (distance() <= END_PX) isAtEnd.value = true;
      else if (movedPx < 0) isAtEnd.value = false;
      if (isAtEnd.value) hasNews.value = false;
      lookHere(element);
    };
    const resized = new ResizeObserver((entries) => {
      // The reader may have moved since, and their own event is still to come.
      if (Math.abs(shiftOf(anchor.current, element)) < MOVED_PX) look();
      else takeMove(element);
      const isNewText = isFollowing.current || isGrowing();
      const isWindow = entries.some(({ target }) => target === element);
      if (sought() !== null) toSought();
      else if (isAtEnd.peek() && (isNewText || isWindow)) scrollToEnd();
      else {
        keep(element);
        // What the reader has opened may have left the end further down.
        if (isAtEnd.peek()) isAtEnd.value = distance() <= END_PX;
        else if (isNewText && inner.offsetHeight > height) hasNews.value = true;
      }
      isFollowing.current = isGrowing();
      height = inner.offsetHeight;
    });
    element.addEventListener("scroll", look, { passive: true });
    // WebKit does not tell an observer of every height that this changes.
    element.addEventListener("contentvisibilityautostatechange", onDrawn);
    resized.observe(inner);
    resized.observe(element);
    return () => {
      element.removeEventListener("scroll", look);
      element.removeEventListener("contentvisibilityautostatechange", onDrawn);
      resized.disconnect();
    };
  }, []);

  return { scroller, content, isAtEnd, hasNews, toEnd, toSought, onDrawn };
}
