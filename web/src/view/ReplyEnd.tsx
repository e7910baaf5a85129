import { sentences, t } from "../state/language.ts";
import type { ShownMessage } from "../state/messages.ts";
import { busy } from "../state/reply.ts";
import { answerAgain, goOn } from "../state/sending.ts";
import { describeFailure } from "../state/status.ts";
import { ContinueIcon, RetryIcon } from "./icons.tsx";

/** How a reply ended where it did not end well, and what can be done; nothing where all is well. */
export function ReplyEnd({ message, isLast }: { message: ShownMessage; isLast: boolean }) {
  const text = describeEnd(message);
  if (text === "") return null;
  const isCut = message.status !== "done" && message.content !== "";
  return (
    <div class={message.status === "failed" ? "end bad" : "end"}>
      <p>{text}</p>
      <div class="end-actions">
        {isCut && (
          <button type="button" class="button" aria-disabled={busy} onClick={() => void goOn(message)}>
            <ContinueIcon />
            {t("reply.continue")}
          </button>
        )}
        {isLast && (
          <button type="button" class="button" aria-disabled={busy} onClick={() => void answerAgain(message)}>
            <RetryIcon />
            {t("reply.retry")}
          </button>
        )}
      </div>
    </div>
  );
}

function describeEnd({ status, content, code }: ShownMessage): string {
  switch (status) {
    case "stopped":
      return t(content === "" ? "reply.stopped.empty" : "reply.stopped");
    case "interrupted":
    case "failed":
      return sentences(t(content === "" ? "reply.failed" : "reply.interrupted"), describeFailure(code));
    default:
      return status === "done" && content.trim() === "" ? t("reply.empty") : "";
  }
}
