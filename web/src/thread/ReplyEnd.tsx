import { withFullStop, wordsFor } from "./ending.ts";
import { language, sentences, t } from "../session/language.ts";
import type { ShownMessage } from "./messages.ts";
import { busy } from "./reply.ts";
import { answerAgain, goOn } from "./sending.ts";
import { describeFailure } from "../session/status.ts";
import { ContinueIcon, RetryIcon } from "../ui/dialogIcons.tsx";

/** How a reply ended where it did not end well, and what can be done; nothing where all is well. */
export function ReplyEnd({ message, isLast }: { message: ShownMessage; isLast: boolean }) {
  if (message.status === "running") return null;
  const words = wordsFor(message);
  if (words === null) return null;
  const cause = words.hasCause ? describeCause(message) : "";
  return (
    <div class={message.status === "failed" ? "end bad" : "end"}>
      <p>{sentences(t(words.text), cause)}</p>
      <div class="end-actions">
        {words.canContinue && (
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

/** Of these the server may know more than the code says: the name of a model, an account without credit. */
const TOLD_BY_SERVER: readonly (string | null)[] = ["model_refused", "model_unavailable", "model_rate_limited", "model_auth_failed"];

function describeCause({ code, cause }: ShownMessage): string {
  const isReadable = cause?.language === language.value && TOLD_BY_SERVER.includes(code);
  return isReadable ? withFullStop(cause.text) : describeFailure(code);
}
