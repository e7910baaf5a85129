import { effect } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";

import type { GrowingMarkdown } from "../core/markdown/growing.ts";
import { createPace } from "../core/pace.ts";
import type { ShownMessage } from "../state/messages.ts";
import { live } from "../state/reply.ts";
import { fetchLater } from "./Later.tsx";
import { fetchMarkdown, markdownParts } from "./markdown.ts";

/** What has more to it than its text: buttons, colours, formulas. */
const DRESSED = ".code, .table, .math";

function dressed(node: ChildNode): void {
  if (!(node instanceof Element) || !(node.matches(DRESSED) || node.querySelector(DRESSED))) return;
  void fetchLater().then(({ dress }) => dress(node), () => {});
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
export function ReplyBody({ message }: { message: ShownMessage }) {
  const host = useRef<HTMLDivElement>(null);
  const growing = useRef<GrowingMarkdown | null>(null);
  const isRunning = message.status === "running";
  const parts = markdownParts.value;

  useLayoutEffect(() => {
    if (host.current === null) return;
    if (parts === null) fetchMarkdown();
    else growing.current ??= new parts.GrowingMarkdown(host.current, dressed);
    const markdown = growing.current ?? plain(host.current);
    if (!isRunning) {
      markdown.finish(message.content);
      return;
    }
    // A reply that goes on shows what there is of it until its first piece comes, which is just that.
    const pace = createPace(() => markdown.show(live.peek().content || message.content));
    const unwatch = effect(() => {
      if (live.value.content !== "" || message.content !== "") pace.request();
    });
    return () => {
      unwatch();
      pace.cancel();
    };
  }, [isRunning, message.content, parts]);

  useLayoutEffect(() => {
    const element = host.current;
    return () => {
      if (element?.querySelector(DRESSED)) void fetchLater().then(({ undress }) => undress(element), () => {});
    };
  }, []);

  return <div class={parts === null ? "markdown plain" : "markdown"} ref={host} />;
}
