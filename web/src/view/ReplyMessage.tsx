import { t } from "../state/language.ts";
import type { ShownMessage } from "../state/messages.ts";
import { isConnected, live } from "../state/reply.ts";
import { roleCalled } from "../state/roles.ts";
import { conversation } from "../state/talk.ts";
import { ReplyBody } from "./ReplyBody.tsx";
import { ReplyEnd } from "./ReplyEnd.tsx";
import { ReplyFoot } from "./ReplyFoot.tsx";

interface ReplyMessageProps {
  readonly message: ShownMessage;
  readonly isLast: boolean;
}

export function ReplyMessage({ message, isLast }: ReplyMessageProps) {
  const isRunning = message.status === "running";
  const role = roleCalled(message.persona ?? conversation.value?.role ?? "");
  return (
    <article class="reply" aria-label={role?.name ?? message.model ?? ""} aria-busy={isRunning} data-message={message.id} tabIndex={-1}>
      <div class="avatar" aria-hidden="true">
        {role?.icon}
      </div>
      <div class="reply-box">
        {isRunning ? <LiveReasoning /> : <Reasoning text={message.reasoning} />}
        <ReplyBody message={message} />
        {isRunning ? <LiveState /> : <ReplyEnd message={message} isLast={isLast} />}
        {!isRunning && <ReplyFoot message={message} />}
      </div>
    </article>
  );
}

function LiveReasoning() {
  return <Reasoning text={live.value.reasoning} />;
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
  const { content, notice } = live.value;
  return (
    <>
      {content === "" && (
        <div class="typing" title={t("reply.making")}>
          <span />
          <span />
          <span />
        </div>
      )}
      {!isConnected.value && <p class="note">{t("reply.reconnecting")}</p>}
      {isConnected.value && notice !== null && <p class="note">{notice.message || t("reply.waiting")}</p>}
    </>
  );
}
