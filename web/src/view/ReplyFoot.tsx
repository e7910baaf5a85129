import { useState } from "preact/hooks";

import { moment } from "../core/when.ts";
import { languageTag, t } from "../state/language.ts";
import type { ShownMessage } from "../state/messages.ts";
import { modelName } from "../state/models.ts";
import { CopyButton } from "./CopyButton.tsx";
import { DownIcon } from "./icons.tsx";
import { SentAccount } from "./SentAccount.tsx";

/** The quiet line below a reply: copy it, see what was sent for it, who made it and when. */
export function ReplyFoot({ message }: { message: ShownMessage }) {
  const [isOpen, setIsOpen] = useState(false);
  const { turnId } = message;
  return (
    <>
      <footer class="reply-foot">
        {message.content !== "" && <CopyButton text={() => message.content} />}
        {turnId !== null && (
          <button
            type="button"
            class={isOpen ? "button quiet small open" : "button quiet small"}
            aria-expanded={isOpen}
            onClick={() => setIsOpen(!isOpen)}
          >
            {t("sent.title")}
            <DownIcon />
          </button>
        )}
        <span class="made">
          {message.model !== null && <span class="made-model">{modelName(message.model)}</span>}
          <time dateTime={new Date(message.timestamp * 1000).toISOString()}>
            {moment(message.timestamp, new Date(), languageTag())}
          </time>
        </span>
      </footer>
      {isOpen && turnId !== null && <SentAccount turnId={turnId} />}
    </>
  );
}
