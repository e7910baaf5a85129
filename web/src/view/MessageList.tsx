import { useLayoutEffect } from "preact/hooks";

import { t } from "../state/language.ts";
import { running } from "../state/reply.ts";
import { conversation, hasEarlier, messages, showEarlier, talkState } from "../state/talk.ts";
import { look } from "../state/visit.ts";
import { goTo, place } from "../state/place.ts";
import { EmptyTalk } from "./EmptyTalk.tsx";
import { useFollowScroll } from "./followScroll.ts";
import { NewestIcon } from "./icons.tsx";
import { OwnMessage } from "./OwnMessage.tsx";
import { ReplyMessage } from "./ReplyMessage.tsx";

export function MessageList() {
  const { scroller, content, isAtEnd, hasNews, toEnd } = useFollowScroll(
    () => messages.peek().length > 0,
    () => running.peek() !== null,
  );
  // What the reader has just opened, or has just said, is where they want to be.
  useLayoutEffect(toEnd, [conversation.value?.id]);
  const answering = running.value?.key;
  useLayoutEffect(() => {
    if (answering !== undefined) toEnd();
  }, [answering]);
  const label = t(hasNews.value ? "messages.newest.fresh" : "messages.newest");
  return (
    <div class="talk-area">
      <div class="scroller" ref={scroller} tabIndex={-1}>
        <div class="column" ref={content}>
          <TalkContent />
        </div>
      </div>
      {!isAtEnd.value && (
        <button type="button" class={hasNews.value ? "newest fresh" : "newest"} aria-label={label} title={label} onClick={toEnd}>
          <NewestIcon />
        </button>
      )}
    </div>
  );
}

function TalkContent() {
  switch (talkState.value) {
    case "loading":
      return <p class="talk-note">{t("conversation.loading")}</p>;
    case "gone":
      return <TalkNote text={t("conversation.gone")} action={t("conversation.new")} onAct={() => goTo(null)} />;
    case "failed":
      return <TalkNote text={t("conversation.failed")} action={t("reply.retry")} onAct={() => void look(place.peek() ?? "")} />;
    case "ready":
      return messages.value.length === 0 ? <EmptyTalk /> : <Messages />;
  }
}

function TalkNote({ text, action, onAct }: { text: string; action: string; onAct: () => void }) {
  return (
    <div class="talk-note">
      <p>{text}</p>
      <button type="button" class="button" onClick={onAct}>
        {action}
      </button>
    </div>
  );
}

function Messages() {
  const shown = messages.value;
  return (
    <section class="messages" aria-label={t("messages.label")}>
      {hasEarlier.value && (
        <button type="button" class="button quiet earlier" onClick={showEarlier}>
          {t("messages.earlier")}
        </button>
      )}
      {shown.map((message, index) =>
        message.role === "user" ? (
          <OwnMessage key={message.key} message={message} />
        ) : (
          <ReplyMessage key={message.key} message={message} isLast={index === shown.length - 1} />
        ),
      )}
    </section>
  );
}
