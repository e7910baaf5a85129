import { editing, leaveEdit } from "./editing.ts";
import { t } from "../session/language.ts";
import type { ShownMessage } from "./messages.ts";
import { DeferredView } from "../ui/lazy.tsx";
import type { Nearness } from "../ui/visibility.ts";

// There may be a thousand of them on the page: no component within them that could as well be none.
export function OwnMessage({ message, isNear, watch }: Nearness & { message: ShownMessage }) {
  const { id } = message;
  const text = <div class="own-text">{message.content}</div>;
  const isEdited = id !== null && editing.value?.id === id;
  return (
    <article class={isEdited ? "own edited" : "own"} aria-label={t("message.you")} data-message={id} tabIndex={-1} {...watch}>
      {isEdited ? (
        <DeferredView meanwhile={text} onMissing={leaveEdit}>{({ Editor }) => <Editor message={message} />}</DeferredView>
      ) : (
        text
      )}
      {!isEdited && (
        // Its place is kept while the message is on its way, and while it is far away.
        <div class="own-foot" inert={id === null}>
          {isNear && <DeferredView>{({ OwnTools }) => <OwnTools message={message} />}</DeferredView>}
        </div>
      )}
    </article>
  );
}
