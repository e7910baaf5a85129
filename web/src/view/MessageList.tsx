import { Fragment } from "preact";
import { useLayoutEffect } from "preact/hooks";

import { t } from "../state/language.ts";
import type { ShownMessage } from "../state/messages.ts";
import { running } from "../state/reply.ts";
import { answerAgain } from "../state/sending.ts";
import { conversation, elsewhere, hasEarlier, messages, showEarlier, talkState, total } from "../state/talk.ts";
import { showElsewhere } from "../state/switching.ts";
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
      {shown.map((message, index) => (
        <Fragment key={message.key}>
          <DroppedLine message={message} />
          {message.role === "user" ? (
            <OwnMessage message={message} />
          ) : (
            <ReplyMessage message={message} isLast={index === shown.length - 1} />
          )}
        </Fragment>
      ))}
      <LastLine newest={shown.at(-1)} />
    </section>
  );
}

/** Says what retention has taken, where it was. */
function DroppedLine({ message: { droppedBefore } }: { message: ShownMessage }) {
  if (droppedBefore === 0) return null;
  return <p class="list-note">{t("messages.dropped", { n: droppedBefore, total: total.value })}</p>;
}

/** What a branch ends with where it does not end with a reply of its own. */
function LastLine({ newest }: { newest: ShownMessage | undefined }) {
  const under = elsewhere.value;
  if (under !== null) {
    const action = under.questionId === null ? null : { text: t("elsewhere.show"), onAct: () => void showElsewhere() };
    return <ListNote text={t("elsewhere.running")} action={action} />;
  }
  if (newest?.role !== "user" || newest.id === null) return null;
  return <ListNote text={t("reply.none")} action={{ text: t("reply.again"), onAct: () => void answerAgain(newest) }} />;
}

interface ListNoteProps {
  readonly text: string;
  readonly action: { readonly text: string; readonly onAct: () => void } | null;
}

function ListNote({ text, action }: ListNoteProps) {
  return (
    <p class="list-note">
      {text}
      {action !== null && (
        <button type="button" class="button small" onClick={action.onAct}>
          {action.text}
        </button>
      )}
    </p>
  );
}
