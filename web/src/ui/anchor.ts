/** A piece of the page, and where its top was: below the upper edge of what is seen, and below that of all there is. */
interface Mark {
  readonly element: Element;
  readonly seenAt: number;
  readonly at: number;
}

/** What the reader looks at: a block of a message where there is one, and the message, which outlives its blocks. */
export type Anchor = readonly Mark[];

/** What stands at the upper edge of `scroller`. */
export function anchorAt(scroller: Element): Anchor {
  const edge = scroller.getBoundingClientRect().top;
  const message = firstBelow(scroller.querySelector(".messages"), edge);
  const block = firstBelow(message?.querySelector(".markdown") ?? null, edge);
  return [block, message].filter((element) => element !== undefined).map((element) => markOf(element, scroller));
}

/** The same things, where they are now. */
export function again(anchor: Anchor, scroller: Element): Anchor {
  return anchor.map(({ element }) => markOf(element, scroller));
}

/** The same things, to be seen where they were, though what was above them has moved them within the page. */
export function moved(anchor: Anchor, scroller: Element): Anchor {
  return anchor.map((mark) => ({ ...markOf(mark.element, scroller), seenAt: mark.seenAt }));
}

/** The same things, to be seen where a reader has them who has scrolled by `px` since, down or (below 0) up. */
export function scrolled(anchor: Anchor, px: number): Anchor {
  return anchor.map((mark) => ({ ...mark, seenAt: mark.seenAt - px }));
}

/** How far the page has moved under the reader since, in px; 0 where nothing is left of what they looked at. */
export function driftOf(anchor: Anchor, scroller: Element): number {
  const mark = left(anchor);
  return mark === undefined ? 0 : markOf(mark.element, scroller).seenAt - mark.seenAt;
}

/** How far it has moved within the page, however that is scrolled. */
export function shiftOf(anchor: Anchor, scroller: Element): number {
  const mark = left(anchor);
  return mark === undefined ? 0 : markOf(mark.element, scroller).at - mark.at;
}

export function isInSight(anchor: Anchor, scroller: Element): boolean {
  const box = left(anchor)?.element.getBoundingClientRect();
  const frame = scroller.getBoundingClientRect();
  return box !== undefined && box.bottom > frame.top && box.top < frame.bottom;
}

function left(anchor: Anchor): Mark | undefined {
  return anchor.find(({ element }) => element.isConnected);
}

function markOf(element: Element, scroller: Element): Mark {
  const seenAt = element.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
  return { element, seenAt, at: seenAt + scroller.scrollTop };
}

/** The first child that reaches below `edge`. They stand one below the other: a few looks find it among thousands. */
function firstBelow(parent: Element | null, edge: number): Element | undefined {
  const children = parent?.children ?? [];
  let [low, high] = [0, children.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((children[middle]?.getBoundingClientRect().bottom ?? 0) > edge) high = middle;
    else low = middle + 1;
  }
  return children[low];
}
