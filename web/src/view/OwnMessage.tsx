import { editing, startEdit } from "../state/editing.ts";
import { t } from "../state/language.ts";
import type { ShownMessage } from "../state/messages.ts";
import { EditIcon } from "./icons.tsx";
import { Later } from "./Later.tsx";
import { PinButton } from "./PinButton.tsx";

export function OwnMessage({ message }: { message: ShownMessage }) {
  const { id } = message;
  const isEdited = id !== null && editing.value?.id === id;
  return (
    <article class={isEdited ? "own edited" : "own"} aria-label={t("message.you")} data-message={id} tabIndex={-1}>
      {isEdited ? (
        <Later meanwhile={<OwnText message={message} />}>{({ Editor }) => <Editor message={message} />}</Later>
      ) : (
        <OwnText message={message} />
      )}
      {!isEdited && (
        // Its place is kept while the message is on its way.
        <div class="own-foot" inert={id === null}>
          <button type="button" class="icon-button" aria-label={t("message.edit")} title={t("message.edit")} onClick={() => startEdit(message)}>
            <EditIcon />
          </button>
          <PinButton message={message} />
          {message.siblings.length > 1 && <Later>{({ Branches }) => <Branches message={message} />}</Later>}
        </div>
      )}
    </article>
  );
}

function OwnText({ message }: { message: ShownMessage }) {
  return <div class="own-text">{message.content}</div>;
}
