import type { Links, Token } from "marked";

import { certainlyCode, openFence } from "./fence.ts";
import { firstHeading, lex, toHtml } from "./language.ts";
import { morph } from "./morph.ts";
import { type Container, headOf, isContainer, isList, partNodes, partsElement, partsStart, rawParts, withoutHead } from "./parts.ts";
import { sanitise } from "./sanitise.ts";

/** The code element that an open fence grows in, and how far into the text it has got. */
interface LiveFence {
  readonly marker: string;
  readonly code: Text;
  shown: number;
}

/** A list or table at the end of the text, of which the first parts are settled. */
interface LiveContainer {
  /** Where it begins in the text. */
  readonly start: number;
  /** What the open parts are parsed behind. */
  readonly head: string;
  readonly isLoose: boolean;
  readonly block: ChildNode;
  /** The last node of the settled parts. */
  last: ChildNode;
}

/** What no further text can change: whole blocks, and parts of the block behind them as they stand in the text. */
interface Final {
  readonly blocks: number;
  readonly parts: readonly string[];
}

/** Fewer parts than this are drawn anew as fast as they are settled. */
const FEWEST_PARTS = 3;
/** A part is an element and a line end. */
const NODES_A_PART = 2;
/** A link definition, also one in a list or a quotation. */
const DEFINITION = /^[ \t>*+.)\d-]*\[[^\]]+\]:/m;

/**
 * A markdown text that grows, shown in `host` at the cost of what is new.
 *
 * Blocks close from left to right: once a block has followed on a complete line, the ones before it are final. They are
 * rendered and sanitised once and never touched again; only the open rest is rendered anew and morphed into the live
 * nodes. So it is with the items of an open list and the rows of an open table. An open code fence is not even parsed:
 * its text is appended. Fed in any pieces, the nodes at the end are those of one full parse.
 */
export class GrowingMarkdown {
  private text = "";
  /** Everything before this offset is settled. */
  private settled = 0;
  private lastSettledNode: ChildNode | null = null;
  private links: Links = {};
  /** The depth of the first heading, once it is settled. */
  private topHeading: number | undefined;
  private fence: LiveFence | null = null;
  private container: LiveContainer | null = null;
  private finished = false;

  /**
   * @param onSettled called with each block once it is final, and before that with the parts of a long one. What it adds
   * is left alone from then on.
   */
  constructor(
    private readonly host: HTMLElement,
    private readonly onSettled: (block: ChildNode) => void = () => {},
  ) {}

  /** Shows `text` as a reply still being made. One that does not continue what is shown replaces it. */
  show(text: string): void {
    this.take(text, false);
  }

  /** Shows `text` as the whole reply. Nodes that are right already are left as they are. */
  finish(text: string): void {
    this.take(text, true);
  }

  private take(given: string, finished: boolean): void {
    const whole = given.includes("\r") ? given.replace(/\r\n?/g, "\n") : given;
    const text = finished ? whole : withoutUnderline(whole);
    if (text === this.text && finished === this.finished) return;
    if (!text.startsWith(this.text) || this.finished) this.restart({});
    this.text = text;
    this.finished = finished;
    if (finished || !this.growFence()) this.render();
  }

  private restart(links: Links): void {
    this.links = links;
    this.topHeading = undefined;
    this.settled = 0;
    this.lastSettledNode = null;
    this.fence = null;
    this.container = null;
  }

  private render(): void {
    this.fence = null;
    const { container } = this;
    const head = container?.head ?? "";
    const tail = head + this.text.slice(this.settled);
    const tokens = lex(tail, { ...this.links });
    if (container !== null && !goesOn(container, tokens[0])) return this.renderAnew(container);

    const final = this.finished ? { blocks: tokens.length, parts: [] } : findFinal(tokens, tail.lastIndexOf("\n"), container);
    const closed = tokens.slice(0, final.blocks);
    const blocksEnd = closed.length === 0 ? this.settled : this.settled + lengthOf(closed) - head.length;
    const open = tokens[final.blocks];
    const entered = container === null && final.parts.length >= FEWEST_PARTS && this.isCertain(open, blocksEnd) ? open : undefined;
    const parts = entered !== undefined || (container !== null && closed.length === 0) ? final.parts : [];
    const partsEnd = blocksEnd + (isContainer(entered) ? partsStart(entered) : 0) + parts.join("").length;
    const mayDefine = [...closed.filter(({ type }) => type !== "code").map(({ raw }) => raw), ...parts];
    if (mayDefine.some((raw) => DEFINITION.test(raw)) && this.reachBack(partsEnd)) return;

    const top = this.topHeading ?? firstHeading(tokens);
    const items = open?.type === "list" ? open["items"].slice(0, parts.length + (container === null ? 0 : 1)) : [];
    this.topHeading ??= firstHeading(closed) ?? firstHeading(items);
    if (container === null) this.renderBlocks([], tokens, final.blocks, top);
    else this.renderParts(container, tokens, final, top);
    this.settled = partsEnd;
    if (isContainer(entered)) this.enter(entered, parts.length, blocksEnd);
    else if (!this.finished && this.container === null && tokens.length === final.blocks + 1) this.enterFence(open);
  }

  /** Renders `tokens` behind what is settled, and `between` before them. The first `final` of them are settled then. */
  private renderBlocks(between: readonly ChildNode[], tokens: Token[], final: number, top: number | undefined): void {
    const closed = [...between, ...renderNodes(tokens.slice(0, final), top)];
    const before = this.lastSettledNode;
    const first = before === null ? this.host.firstChild : before.nextSibling;
    morph(this.host, first, [...closed, ...renderNodes(tokens.slice(final), top)]);
    for (const _ of closed) this.settle(this.lastSettledNode === null ? this.host.firstChild : this.lastSettledNode.nextSibling);
  }

  private settle(node: ChildNode | null): void {
    if (node === null) return;
    this.lastSettledNode = node;
    this.onSettled(node);
  }

  /** Link definitions are the one thing that reaches back: where there are new ones before `end`, all is rendered again. */
  private reachBack(end: number): boolean {
    const links: Links = {};
    lex(this.text.slice(0, end), links);
    if (Object.keys(links).length === Object.keys(this.links).length) return false;
    this.restart(links);
    this.render();
    return true;
  }

  /** Whether what `open`, which begins at `start`, looks like does not hang on its last line, which is incomplete. */
  private isCertain(open: Token | undefined, start: number): boolean {
    if (!isContainer(open) || !isList(open) || !open.loose) return isContainer(open);
    const [sure] = lex(this.text.slice(start, this.text.lastIndexOf("\n") + 1));
    return sure?.type === "list" && sure.loose;
  }

  /** From now on only the parts of `container` behind the first `count` are rendered. It begins at `start`. */
  private enter(container: Container, count: number, start: number): void {
    const before = this.lastSettledNode;
    const block = before === null ? this.host.firstChild : before.nextSibling;
    const element = partsElement(block);
    const last = element === null ? undefined : partNodes(element)[count * NODES_A_PART - 1];
    if (block === null || last === undefined) throw new Error("a list or table without its nodes");
    this.container = { start, head: headOf(container), isLoose: isList(container) && container.loose, block, last };
  }

  /** Renders the open parts of the live container, which `tokens` begin with, and what follows it. */
  private renderParts(container: LiveContainer, [token, ...rest]: Token[], final: Final, top: number | undefined): void {
    const parts = isContainer(token) ? partsElement(renderNodes([withoutHead(token)], top)[0]) : null;
    const element = container.last.parentNode;
    if (parts === null || element === null) throw new Error("a list or table without its nodes");
    morph(element, container.last.nextSibling, partNodes(parts));
    const lineEnd = document.createTextNode("\n");
    if (final.blocks === 0) {
      for (let i = 0; i < final.parts.length * NODES_A_PART; i += 1) {
        container.last = container.last.nextSibling ?? container.last;
        this.onSettled(container.last);
      }
      morph(this.host, container.block.nextSibling, [lineEnd, ...renderNodes(rest, top)]);
      return;
    }
    this.container = null;
    this.settle(container.block);
    this.renderBlocks([lineEnd], rest, final.blocks - 1, top);
  }

  /** The container is not what it was when its first parts were settled: a blank line has made all of its items loose. */
  private renderAnew({ start }: LiveContainer): void {
    this.container = null;
    this.settled = start;
    this.render();
  }

  private enterFence(token: Token | undefined): void {
    if (token?.type !== "code") return;
    const fence = openFence(token.raw);
    const first = this.lastSettledNode === null ? this.host.firstChild : this.lastSettledNode.nextSibling;
    const code = first instanceof Element ? first.querySelector("code") : null;
    if (fence === null || code === null) return;
    const live = document.createTextNode("");
    code.replaceChildren(live);
    this.fence = { marker: fence.marker, code: live, shown: this.settled + fence.codeStart };
    this.growFence();
  }

  /** Whether the new text was all code of the open fence, and is shown. */
  private growFence(): boolean {
    const { fence } = this;
    if (fence === null) return false;
    const fresh = this.text.slice(fence.shown);
    const length = certainlyCode(fresh, fence.marker, this.text[fence.shown - 1] === "\n");
    if (length === null) return false;
    fence.code.appendData(fresh.slice(0, length));
    fence.shown += length;
    return true;
  }
}

/** Does once what the first text would wait for: libraries prepare themselves when they are used. */
export function warmUp(): void {
  new GrowingMarkdown(document.createElement("div")).finish("**a** `b`\n\n- c\n\n| d |\n|---|\n| e |\n");
}

/**
 * How much of `tokens` no further text can change: what stands before a block, or a part of one, whose first line is
 * complete. An incomplete line is not enough: the `2` of `2. next` is a paragraph until its full stop arrives, and then
 * belongs to the list. `live` is the container that `tokens` begin with, behind its head.
 */
function findFinal(tokens: readonly Token[], lastNewline: number, live: LiveContainer | null): Final {
  let offset = 0;
  let blocks = 0;
  let start = 0;
  tokens.forEach((token, index) => {
    if (token.type !== "space" && offset <= lastNewline) {
      blocks = index;
      start = offset;
    }
    offset += token.raw.length;
  });
  const open = tokens[blocks];
  if (!isContainer(open)) return { blocks, parts: [] };
  // Its head is a part of a list, and none of a table.
  const isBehindHead = live !== null && blocks === 0;
  const parts = rawParts(open).slice(isBehindHead && isList(open) ? 1 : 0);
  let end = start + (isBehindHead ? live.head.length : partsStart(open));
  let closed = 0;
  parts.forEach((part, index) => {
    if (end <= lastNewline) closed = index;
    end += part.length;
  });
  return { blocks, parts: parts.slice(0, closed) };
}

/** A line of dashes that is not complete makes a heading of the lines above it, and the next character an item. */
function withoutUnderline(text: string): string {
  const lineStart = text.lastIndexOf("\n") + 1;
  return /^ {0,3}[-=]+ *$/.test(text.slice(lineStart)) ? text.slice(0, lineStart) : text;
}

/** Whether `token` is still what the settled parts of `container` were rendered as. */
function goesOn(container: LiveContainer, token: Token | undefined): boolean {
  if (!isContainer(token)) return false;
  return !isList(token) || (token.items.length > 1 && token.loose === container.isLoose);
}

function lengthOf(tokens: readonly Token[]): number {
  return tokens.reduce((length, token) => length + token.raw.length, 0);
}

function renderNodes(tokens: Token[], top: number | undefined): ChildNode[] {
  return tokens.length === 0 ? [] : [...sanitise(toHtml(tokens, top)).childNodes];
}
