import { t } from "../session/language.ts";
import type { ShownMessage } from "./messages.ts";
import { hasText, isConnected, notice, reasoning } from "./reply.ts";
import { roleCalled } from "../catalog/roles.ts";
import { conversation } from "../session/conversations.ts";
import { DeferredView } from "../ui/lazy.tsx";
import type { Nearness } from "../ui/visibility.ts";
import { ReplyBody } from "./ReplyBody.tsx";
import { ReplyFoot } from "./ReplyFoot.tsx";

interface ReplyMessageProps extends Nearness {
  readonly message: ShownMessage;
  readonly isLast: boolean;
}

export function ReplyMessage({ message, isLast, isNear, watch }: ReplyMessageProps) {
  const isRunning = message.status === "running";
  // Not watched: who answers from now on has not answered what is there.
  const role = roleCalled(message.persona ?? conversation.peek()?.role ?? "");
  const name = role?.name ?? message.model ?? "";
  return (
    <article class="reply" aria-label={name} aria-busy={isRunning} data-message={message.id} tabIndex={-1} {...watch}>
      <div class="avatar" aria-hidden="true">
        {role?.icon}
      </div>
      <div class="reply-box">
        {/* From reply to reply by heading; and those in a reply stand below it. */}
        {name !== "" && <h2 class="visually-hidden">{name}</h2>}
        {isRunning ? <LiveReasoning /> : message.reasoning !== "" && <Reasoning text={message.reasoning} />}
        <ReplyBody message={message} isNear={isNear} />
        {isRunning ? <LiveState /> : isBad(message) && <DeferredView>{({ ReplyEnd }) => <ReplyEnd message={message} isLast={isLast} />}</DeferredView>}
        {!isRunning && <ReplyFoot message={message} isLast={isLast} isNear={isNear} />}
      </div>
    </article>
  );
}

/** Whether how a reply ended may need words. */
function isBad({ status, content, finishReason }: ShownMessage): boolean {
  return status !== "done" || content.trim() === "" || (finishReason ?? "stop") !== "stop";
}

function LiveReasoning() {
  return <Reasoning text={reasoning.value} />;
}

function Reasoning({ text }: { text: string }) {
  if (text === "") return null;
  return (
    <details class="reasoning">
      <summary>{t("message.reasoning")}</summary>
      <p>{text}</p>
    </details>
  );
}

/** That something is under way while there is no text, and what it waits for. */
function LiveState() {
  const waits = notice.value;
  return (
    <>
      {!hasText.value && (
        <div class="typing" title={t("reply.making")}>
          <span />
          <span />
          <span />
        </div>
      )}
      {!isConnected.value && <p class="note">{t("reply.reconnecting")}</p>}
      {isConnected.value && waits !== null && <p class="note">{waits.message || t("reply.waiting")}</p>}
    </>
  );
}
