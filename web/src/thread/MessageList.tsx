import { useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";

import { drawMore, waiting } from "./drawing.ts";
import { t } from "../session/language.ts";
import type { ShownMessage } from "./messages.ts";
import { running } from "./reply.ts";
import { elsewhere, hasEarlier, messages, showEarlier, talkState, total } from "./thread.ts";
import { conversation } from "../session/conversations.ts";
import { look } from "./visit.ts";
import { goTo, openId } from "../session/route.ts";
import { messageElement, sought } from "./sought.ts";
import { EmptyThread } from "./EmptyThread.tsx";
import { useFollowScroll } from "../ui/followScroll.ts";
import { NewestIcon } from "../ui/icons.tsx";
import { whenIdle } from "../browser/idle.ts";
import { DeferredView } from "../ui/lazy.tsx";
import { growing } from "./growing.ts";
import { useNearness } from "../ui/visibility.ts";
import { OwnMessage } from "./OwnMessage.tsx";
import { ReplyMessage } from "./ReplyMessage.tsx";

export function MessageList() {
  const { scroller, content, isAtEnd, hasNews, toEnd, toSought, onDrawn } = useFollowScroll({
    hasText: () => messages.peek().length > 0,
    isGrowing: () => running.peek() !== null,
    sought: drawnSought,
    onMove: () => (sought.value = null),
  });
  // What the reader has just opened, or has just said, is where they want to be.
  useLayoutEffect(toEnd, [conversation.value?.id]);
  // What was plain text until now takes another height.
  const parts = growing.part.value;
  useLayoutEffect(() => {
    if (isAtEnd.peek()) toEnd();
  }, [parts]);
  const answering = running.value?.key;
  useLayoutEffect(() => {
    if (answering !== undefined && sought.peek() === null) toEnd();
  }, [answering]);
  useSignalEffect(() => {
    if (sought.value !== null) toSought();
  });
  const onNewest = () => {
    sought.value = null;
    toEnd();
  };
  return (
    <div class="talk-area">
      <div class="scroller" ref={scroller} tabIndex={-1}>
        <div class="column" ref={content}>
          <TalkContent onDrawn={onDrawn} />
        </div>
      </div>
      {!isAtEnd.value && <NewestButton hasNews={hasNews.value} onClick={() => (onNewest(), scroller.current?.focus())} />}
    </div>
  );
}

/** Its texts are fetched when they are asked for: an empty page asks for none of them. */
function NewestButton({ hasNews, onClick }: { hasNews: boolean; onClick: () => void }) {
  const label = t(hasNews ? "messages.newest.fresh" : "messages.newest");
  return (
    <button type="button" class={hasNews ? "newest fresh" : "newest"} aria-label={label} title={label} onClick={onClick}>
      <NewestIcon />
    </button>
  );
}

interface Drawn {
  /** Called when there are more messages above. */
  readonly onDrawn: () => void;
}

function drawnSought(): HTMLElement | null {
  const id = sought.peek();
  return id === null ? null : messageElement(id);
}

function TalkContent({ onDrawn }: Drawn) {
  switch (talkState.value) {
    case "loading":
      return <p class="talk-note">{t("conversation.loading")}</p>;
    case "gone":
      return <TalkNote text={t("conversation.gone")} action={t("conversation.new")} onAct={() => goTo(null)} />;
    case "failed":
      return <TalkNote text={t("conversation.failed")} action={t("reply.retry")} onAct={() => void look(openId.peek() ?? "")} />;
    case "ready":
      return messages.value.length === 0 ? <EmptyThread /> : <Messages onDrawn={onDrawn} />;
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

/** A conversation this long is fetched by itself, so that the browser's own search finds all of it. */
const FETCHED_MESSAGES = 1_000;

/** Draws, and then fetches, what is further up while the browser is idle. */
function useWaiting(): number {
  const id = conversation.value?.id;
  const count = waiting(id);
  const startedAt = useRef(0);
  const tookMs = useRef(0);
  useLayoutEffect(() => {
    if (startedAt.current > 0) tookMs.current = performance.now() - startedAt.current;
    startedAt.current = 0;
  });
  const isMore = count > 0 || (hasEarlier.value && messages.value.length < FETCHED_MESSAGES);
  useEffect(() => {
    if (!isMore) return;
    return whenIdle(() => {
      if (count === 0) return void showEarlier(false);
      startedAt.current = performance.now();
      drawMore(id, tookMs.current);
    });
  }, [id, count, messages.value.length]);
  return count;
}

function Messages({ onDrawn }: Drawn) {
  const above = useWaiting();
  useLayoutEffect(onDrawn, [above, messages.value[0]?.key]);
  const shown = above > 0 ? messages.value.slice(above) : messages.value;
  return (
    <section class="messages" aria-label={t("messages.label")}>
      {above === 0 && hasEarlier.value && (
        <button type="button" class="button quiet earlier" onClick={() => void showEarlier(true)}>
          {t("messages.earlier")}
        </button>
      )}
      {shown.map((message, index) => (
        <Row key={message.key} message={message} place={shown.length - index} />
      ))}
      {(elsewhere.value !== null || shown.at(-1)?.role === "user") && (
        <DeferredView>{({ LastLine }) => <LastLine newest={shown.at(-1)} />}</DeferredView>
      )}
    </section>
  );
}

/** So many of the newest messages the browser always lays out, as messages.css says. */
const EXACT = 8;

/** One message, the `place`th from the end; what has not changed is not looked at again. */
function Row({ message, place }: { message: ShownMessage; place: number }) {
  const nearness = useNearness(place <= EXACT);
  const isLast = place === 1;
  return useMemo(() => {
    const row = { message, ...nearness };
    return (
      <>
        {message.droppedBefore > 0 && <DroppedLine message={message} />}
        {message.role === "user" ? <OwnMessage {...row} /> : <ReplyMessage {...row} isLast={isLast} />}
      </>
    );
  }, [message, isLast, nearness.isNear]);
}

/** Says what retention has taken, where it was. */
function DroppedLine({ message: { droppedBefore } }: { message: ShownMessage }) {
  return <p class="list-note">{t("messages.dropped", { n: droppedBefore, total: total.value })}</p>;
}
