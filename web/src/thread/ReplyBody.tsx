import { effect } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";

import type { GrowingMarkdown } from "../markdown/growing.ts";
import { createFrames } from "../stream/frames.ts";
import type { ShownMessage } from "./messages.ts";
import { live } from "./reply.ts";
import { deferred } from "../ui/lazy.tsx";
import { growing as renderer } from "./growing.ts";

const BLOCKS = ".code, .table";
const FORMULAS = ".math";

function has(node: ChildNode, selector: string): node is Element {
  return node instanceof Element && (node.matches(selector) || node.querySelector(selector) !== null);
}

/** Gives the blocks in `node` their buttons and colours. */
function decorate(node: ChildNode): void {
  if (has(node, BLOCKS)) void deferred.fetch().then(({ decorate }) => decorate(node), () => {});
}

function drawFormulas(node: ChildNode): void {
  if (has(node, FORMULAS)) void deferred.fetch().then((part) => part.drawFormulas(node), () => {});
}

/** The text as it is written: until what renders it has come, and where that cannot be had. */
function plain(host: HTMLElement): Pick<GrowingMarkdown, "show" | "finish"> {
  const show = (text: string) => {
    host.textContent = text;
  };
  return { show, finish: show };
}

/**
 * The text of a reply. Its nodes belong to `GrowingMarkdown` and not to the framework: they grow while the reply is being
 * made, and are the finished message afterwards.
 */
export function ReplyBody({ message, isNear }: { message: ShownMessage; isNear: boolean }) {
  const host = useRef<HTMLDivElement>(null);
  const growing = useRef<GrowingMarkdown | null>(null);
  /** Blocks have buttons where the reader is near; how formulas look is part of the text. */
  const isDecorated = useRef(isNear);
  const isRunning = message.status === "running";
  const parts = renderer.part.value;

  useLayoutEffect(() => {
    if (host.current === null) return;
    if (parts === null) renderer.fetch().catch(() => {});
    else growing.current ??= new parts.GrowingMarkdown(host.current, (node) => {
      drawFormulas(node);
      if (isDecorated.current) decorate(node);
    });
    const markdown = growing.current ?? plain(host.current);
    if (!isRunning) {
      markdown.finish(message.content);
      return;
    }
    // A reply that goes on shows what there is of it until its first piece comes, which is just that.
    const frames = createFrames(() => markdown.show(live.peek().content || message.content));
    const unwatch = effect(() => {
      if (live.value.content !== "" || message.content !== "") frames.request();
    });
    return () => {
      unwatch();
      frames.cancel();
    };
  }, [isRunning, message.content, parts]);

  useLayoutEffect(() => {
    const element = host.current;
    if (!isNear || element === null) return;
    if (!isDecorated.current) decorate(element);
    isDecorated.current = true;
    return () => {
      if (has(element, BLOCKS)) void deferred.fetch().then(({ undecorate }) => undecorate(element), () => {});
    };
  }, [isNear]);

  return <div class={parts === null ? "markdown plain" : "markdown"} ref={host} />;
}
