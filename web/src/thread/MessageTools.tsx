import { startEdit } from "./editing.ts";
import { t } from "../session/language.ts";
import type { ShownMessage } from "./messages.ts";
import { busy } from "./reply.ts";
import { answerAgain } from "./sending.ts";
import { Branches } from "./Branches.tsx";
import { CopyButton } from "../ui/CopyButton.tsx";
import { DownIcon } from "../ui/icons.tsx";
import { EditIcon, RetryIcon } from "../ui/dialogIcons.tsx";
import { PinButton } from "./PinButton.tsx";

/** What can be done with a message of the reader's own. */
export function OwnTools({ message }: { message: ShownMessage }) {
  return (
    <>
      <button type="button" class="icon-button" aria-label={t("message.edit")} title={t("message.edit")} onClick={() => startEdit(message)}>
        <EditIcon />
      </button>
      <PinButton message={message} />
      {message.siblings.length > 1 && <Branches message={message} />}
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

/** What can be done with a reply. */
export function ReplyTools({ message, isLast, isOpen, onOpen }: ReplyToolsProps) {
  const isEmpty = message.content === "";
  return (
    <>
      {message.siblings.length > 1 && <Branches message={message} />}
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
