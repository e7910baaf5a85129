import { useLayoutEffect, useRef } from "preact/hooks";

import { editing, leaveEdit, writeEdit } from "./editing.ts";
import type { ShownMessage } from "./messages.ts";
import { isBusy } from "./reply.ts";
import { sendEdit } from "./sendEdit.ts";
import { isComposing, isSending } from "../browser/composing.ts";
import { t } from "../session/language.ts";

/** Another text for a message of the reader's own. Leaving it keeps what was written. */
export function Editor({ message }: { message: ShownMessage }) {
  const input = useRef<HTMLTextAreaElement>(null);
  const text = editing.value?.text ?? "";
  // Before anyone can type: the cursor must not move under the first key.
  useLayoutEffect(() => {
    const element = input.current;
    element?.focus();
    element?.setSelectionRange(element.value.length, element.value.length);
  }, []);
  const isIdle = text.trim() === "" || isBusy();
  const send = () => {
    if (!isIdle) void sendEdit(message, text.trim());
  };
  const leave = () => {
    const article = input.current?.closest("article");
    leaveEdit();
    // The button that opened it is drawn anew.
    requestAnimationFrame(() => article?.querySelector("button")?.focus());
  };
  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={input}
        rows={2}
        value={text}
        aria-label={t("edit.label")}
        onInput={(event) => writeEdit({ id: message.id ?? "", text: event.currentTarget.value })}
        onKeyDown={(event) => {
          if (event.key === "Escape" && !isComposing(event)) {
            event.stopPropagation();
            leave();
          } else if (isSending(event)) {
            event.preventDefault();
            send();
          }
        }}
      />
      <p class="muted">{t("edit.note")}</p>
      <div class="editor-actions">
        <button type="button" class="button small" onClick={leave}>
          {t("dialog.cancel")}
        </button>
        <button type="submit" class="button primary small" aria-disabled={isIdle}>
          {t("input.send")}
        </button>
      </div>
    </form>
  );
}
