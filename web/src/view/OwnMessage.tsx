import { editing, leaveEdit, startEdit } from "../state/editing.ts";
import { t } from "../state/language.ts";
import type { ShownMessage } from "../state/messages.ts";
import { EditIcon } from "./icons.tsx";
import { Later } from "./Later.tsx";
import type { Nearness } from "./near.ts";
import { PinButton } from "./PinButton.tsx";

// There may be a thousand of them on the page: no component within them that could as well be none.
export function OwnMessage({ message, isNear, watch }: Nearness & { message: ShownMessage }) {
  const { id } = message;
  const text = <div class="own-text">{message.content}</div>;
  const isEdited = id !== null && editing.value?.id === id;
  return (
    <article class={isEdited ? "own edited" : "own"} aria-label={t("message.you")} data-message={id} tabIndex={-1} {...watch}>
      {isEdited ? (
        <Later meanwhile={text} onMissing={leaveEdit}>{({ Editor }) => <Editor message={message} />}</Later>
      ) : (
        text
      )}
      {!isEdited && (
        // Its place is kept while the message is on its way, and while it is far away.
        <div class="own-foot" inert={id === null}>
          {isNear && <OwnTools message={message} />}
        </div>
      )}
    </article>
  );
}

function OwnTools({ message }: { message: ShownMessage }) {
  return (
    <>
      <button type="button" class="icon-button" aria-label={t("message.edit")} title={t("message.edit")} onClick={() => startEdit(message)}>
        <EditIcon />
      </button>
      <PinButton message={message} />
      {message.siblings.length > 1 && <Later>{({ Branches }) => <Branches message={message} />}</Later>}
    </>
  );
}
