import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

import { draft, write } from "./drafts.ts";
import { t } from "../session/language.ts";
import { isBusy, running, stop } from "./reply.ts";
import { sendDraft } from "./sending.ts";
import { trouble } from "../session/status.ts";
import { messages, talkState } from "./thread.ts";
import { conversation } from "../session/conversations.ts";
import { isSending, touch } from "../browser/composing.ts";
import { CloseIcon, SendIcon, StopIcon } from "../ui/icons.tsx";

export function Composer() {
  const input = useRef<HTMLTextAreaElement>(null);

  useEffect(() => {
    // Who is typing elsewhere by now goes on there.
    if (!touch.matches && !document.activeElement?.matches("input, textarea")) input.current?.focus();
  }, [conversation.value?.id]);

  // A button that began this reply, cleared the messages or closed the line above may be gone; the focus must not be.
  useEffect(() => {
    if (!touch.matches && document.activeElement === document.body) input.current?.focus();
  }, [running.value?.key, messages.value.length, trouble.value === null]);

  // As tall as its text; the stylesheet says how tall at most.
  useLayoutEffect(() => {
    const element = input.current;
    if (element === null || CSS.supports("field-sizing", "content")) return;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight}px`;
  }, [draft.value]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (!isSending(event)) return;
    event.preventDefault();
    sendDraft();
  };
  return (
    <div class="composer">
      <TroubleLine />
      <form
        class="composer-box"
        onSubmit={(event) => {
          event.preventDefault();
          sendDraft();
        }}
      >
        <textarea
          ref={input}
          rows={1}
          value={draft.value}
          aria-label={t("input.label")}
          placeholder={t("input.placeholder")}
          enterkeyhint={touch.matches ? "enter" : "send"}
          onInput={(event) => write(event.currentTarget.value)}
          onKeyDown={onKeyDown}
        />
        <SendButton />
      </form>
      {!touch.matches && <p class="hint">{t("input.hint")}</p>}
    </div>
  );
}

/** One button for both, so that the focus stays on it. */
function SendButton() {
  if (isBusy()) {
    const onClick = (event: MouseEvent) => {
      // The second click of a double click on "send" is no wish to stop.
      if (event.detail <= 1) void stop();
    };
    return (
      <button type="button" class="send stop" aria-label={t("input.stop")} title={t("input.stop")} onClick={onClick}>
        <StopIcon />
      </button>
    );
  }
  const isIdle = draft.value.trim() === "" || talkState.value !== "ready";
  return (
    <button type="submit" class="send" aria-label={t("input.send")} title={t("input.send")} aria-disabled={isIdle}>
      <SendIcon />
    </button>
  );
}

function TroubleLine() {
  if (trouble.value === null) return null;
  return (
    <div class="trouble" role="alert">
      <p>{trouble.value}</p>
      <button type="button" class="icon-button" aria-label={t("trouble.dismiss")} onClick={() => (trouble.value = null)}>
        <CloseIcon />
      </button>
    </div>
  );
}
