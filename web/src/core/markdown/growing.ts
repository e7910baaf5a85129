import type { Links, Token } from "marked";

import { certainlyCode, openFence } from "./fence.ts";
import { lex, toHtml } from "./language.ts";
import { morph } from "./morph.ts";
import { sanitise } from "./sanitise.ts";

/** The code element that an open fence grows in, and how far into the text it has got. */
interface LiveFence {
  readonly marker: string;
  readonly code: Text;
  shown: number;
}

/**
 * A markdown text that grows, shown in `host` at the cost of what is new.
 *
 * Blocks close from left to right: once a block has followed on a complete line, the ones before it are final. They are
 * rendered and sanitised once and never touched again; only the open rest is rendered anew and morphed into the live
 * nodes. An open code fence is not even parsed: its text is appended. Fed in any pieces, the nodes at the end are those
 * of one full parse.
 */
export class GrowingMarkdown {
  private text = "";
  /** Everything before this offset is settled. */
  private settled = 0;
  private lastSettledNode: ChildNode | null = null;
  private links: Links = {};
  private fence: LiveFence | null = null;
  private finished = false;

  /** @param onSettled called with each block once it is final. What it adds is left alone from then on. */
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
    const text = given.includes("\r") ? given.replace(/\r\n?/g, "\n") : given;
    if (text === this.text && finished === this.finished) return;
    if (!text.startsWith(this.text) || this.finished) this.restart({});
    this.text = text;
    this.finished = finished;
    if (finished || !this.growFence()) this.render();
  }

  private restart(links: Links): void {
    this.links = links;
    this.settled = 0;
    this.lastSettledNode = null;
    this.fence = null;
  }

  private render(): void {
    this.fence = null;
    const tail = this.text.slice(this.settled);
    const tokens = lex(tail, { ...this.links });
    const final = this.finished ? tokens.length : countFinal(tokens, tail.lastIndexOf("\n"));
    const closed = tokens.slice(0, final);
    const mayDefine = closed.some((token) => token.type !== "code" && token.raw.includes("]:"));
    if (mayDefine && this.reachBack(closed)) return;

    const nodes = [...renderNodes(closed)];
    const open = tokens.slice(final);
    const openNodes = [...renderNodes(open)];
    const before = this.lastSettledNode;
    morph(this.host, before === null ? this.host.firstChild : before.nextSibling, [...nodes, ...openNodes]);

    for (let i = 0; i < nodes.length; i += 1) {
      this.lastSettledNode = this.lastSettledNode === null ? this.host.firstChild : this.lastSettledNode.nextSibling;
      if (this.lastSettledNode !== null) this.onSettled(this.lastSettledNode);
    }
    this.settled += lengthOf(closed);
    if (!this.finished && open.length === 1) this.enterFence(open[0]);
  }

  /** Link definitions are the one thing that reaches back: where `closed` holds new ones, all is rendered once more. */
  private reachBack(closed: Token[]): boolean {
    const links: Links = {};
    lex(this.text.slice(0, this.settled + lengthOf(closed)), links);
    if (Object.keys(links).length === Object.keys(this.links).length) return false;
    this.restart(links);
    this.render();
    return true;
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

/**
 * How many of `tokens` no further text can change: those before a block whose first line is complete. An incomplete
 * line is not enough: the `2` of `2. next` is a paragraph until its full stop arrives, and then belongs to the list.
 */
function countFinal(tokens: readonly Token[], lastNewline: number): number {
  let offset = 0;
  let final = 0;
  tokens.forEach((token, index) => {
    if (token.type !== "space" && offset <= lastNewline) final = index;
    offset += token.raw.length;
  });
  return final;
}

function lengthOf(tokens: readonly Token[]): number {
  return tokens.reduce((length, token) => length + token.raw.length, 0);
}

function renderNodes(tokens: Token[]): Iterable<ChildNode> {
  return tokens.length === 0 ? [] : sanitise(toHtml(tokens)).childNodes;
}
