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
export function ReplyFoot({ message, isLast, isNear }: { message: ShownMessage; isLast: boolean; isNear: boolean }) {
  const [isOpen, setIsOpen] = useState(false);
  const { turnId } = message;
  return (
    <>
      <footer class="reply-foot">
        {isNear && <ReplyTools message={message} isLast={isLast} isOpen={isOpen} onOpen={setIsOpen} />}
        <span class="made">
          {message.model !== null && <span class="made-model">{modelName(message.model)}</span>}
          <time dateTime={new Date(message.timestamp * 1000).toISOString()}>
            {moment(message.timestamp, new Date(), languageTag())}
          </time>
        </span>
      </footer>
      {isOpen && turnId !== null && (
        <Later onMissing={() => setIsOpen(false)}>{({ SentAccount }) => <SentAccount turnId={turnId} />}</Later>
      )}
    </>
  );
}

interface ReplyToolsProps {
  readonly message: ShownMessage;
  readonly isLast: boolean;
  /** Whether what was sent is on show. */
  readonly isOpen: boolean;
  readonly onOpen: (isOpen: boolean) => void;
}

function ReplyTools({ message, isLast, isOpen, onOpen }: ReplyToolsProps) {
  const isEmpty = message.content === "";
  return (
    <>
      {message.siblings.length > 1 && <Later>{({ Branches }) => <Branches message={message} />}</Later>}
      {!isEmpty && <CopyButton text={() => message.content} />}
      {/* Where the last reply is empty, that is offered in words right above. */}
      {message.id !== null && !(isEmpty && isLast) && (
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
      )}
      {message.id !== null && (!isEmpty || message.isPinned) && <PinButton message={message} />}
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
