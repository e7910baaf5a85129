import { useState } from "preact/hooks";

import { moment } from "../core/when.ts";
import { languageTag, t } from "../state/language.ts";
import type { ShownMessage } from "../state/messages.ts";
import { modelName } from "../state/models.ts";
import { busy } from "../state/reply.ts";
import { answerAgain } from "../state/sending.ts";
import { CopyButton } from "./CopyButton.tsx";
import { DownIcon, RetryIcon } from "./icons.tsx";
import { Later } from "./Later.tsx";
import { PinButton } from "./PinButton.tsx";

/** The quiet line below a reply: copy it, have another one, see what was sent for it, who made it and when. */
export function ReplyFoot({ message, isNear }: { message: ShownMessage; isNear: boolean }) {
  const [isOpen, setIsOpen] = useState(false);
  const { turnId } = message;
  return (
    <>
      <footer class="reply-foot">
        {isNear && <ReplyTools message={message} isOpen={isOpen} onOpen={setIsOpen} />}
        <span class="made">
          {message.model !== null && <span class="made-model">{modelName(message.model)}</span>}
          <time dateTime={new Date(message.timestamp * 1000).toISOString()}>
            {moment(message.timestamp, new Date(), languageTag())}
          </time>
        </span>
      </footer>
      {isOpen && turnId !== null && <Later>{({ SentAccount }) => <SentAccount turnId={turnId} />}</Later>}
    </>
  );
}

interface ReplyToolsProps {
  readonly message: ShownMessage;
  /** Whether what was sent is on show. */
  readonly isOpen: boolean;
  readonly onOpen: (isOpen: boolean) => void;
}

function ReplyTools({ message, isOpen, onOpen }: ReplyToolsProps) {
  return (
    <>
      {message.siblings.length > 1 && <Later>{({ Branches }) => <Branches message={message} />}</Later>}
      {message.content !== "" && <CopyButton text={() => message.content} />}
      {message.id !== null && (
        <>
          <button
            type="button"
            class="icon-button"
            aria-label={t("reply.again")}
            title={t("reply.again")}
            aria-disabled={busy}
            onClick={() => void answerAgain(message)}
          >
            <RetryIcon />
          </button>
          <PinButton message={message} />
        </>
      )}
      {message.turnId !== null && (
        <button
          type="button"
          class={isOpen ? "button quiet small open" : "button quiet small"}
          aria-expanded={isOpen}
          onClick={() => onOpen(!isOpen)}
        >
          {t("sent.title")}
          <DownIcon />
        </button>
      )}
    </>
  );
}
