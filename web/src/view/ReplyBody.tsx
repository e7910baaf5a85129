import { effect } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";

import { GrowingMarkdown } from "../core/markdown/growing.ts";
import { createPace } from "../core/pace.ts";
import type { ShownMessage } from "../state/messages.ts";
import { live } from "../state/reply.ts";
import { dressCode, undressCode } from "./codeBlocks.tsx";

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
    const markdown = (growing.current ??= new GrowingMarkdown(host.current, dressCode));
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
      if (element !== null) undressCode(element);
    };
  }, []);

  return <div class="markdown" ref={host} />;
}
