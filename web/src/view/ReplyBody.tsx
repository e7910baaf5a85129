import { effect } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";

import { GrowingMarkdown } from "../core/markdown/growing.ts";
import { createPace } from "../core/pace.ts";
import type { ShownMessage } from "../state/messages.ts";
import { live } from "../state/reply.ts";
import { fetchLater } from "./Later.tsx";

/** What has more to it than its text: buttons, colours, formulas. */
const DRESSED = ".code, .table, .math";

function dressed(node: ChildNode): void {
  if (!(node instanceof Element) || !(node.matches(DRESSED) || node.querySelector(DRESSED))) return;
  void fetchLater().then(({ dress }) => dress(node), () => {});
}

/**
 * The text of a reply. Its nodes belong to `GrowingMarkdown` and not to the framework: they grow while the reply is being
 * made, and are the finished message afterwards.
 */
export function ReplyBody({ message }: { message: ShownMessage }) {
  const host = useRef<HTMLDivElement>(null);
  const growing = useRef<GrowingMarkdown | null>(null);
  const isRunning = message.status === "running";

  useLayoutEffect(() => {
    if (host.current === null) return;
    const markdown = (growing.current ??= new GrowingMarkdown(host.current, dressed));
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
  }, [isRunning, message.content]);

  useLayoutEffect(() => {
    const element = host.current;
    return () => {
      if (element?.querySelector(DRESSED)) void fetchLater().then(({ undress }) => undress(element), () => {});
    };
  }, []);

  return <div class="markdown" ref={host} />;
}
