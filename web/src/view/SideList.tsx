import { useLayoutEffect, useRef } from "preact/hooks";

import { conversations, hasMore, listState, loadConversations, loadMore } from "../state/conversations.ts";
import { switchLanguage, t } from "../state/language.ts";
import { goTo } from "../state/place.ts";
import { isDrawerOpen, isNarrow } from "./drawer.ts";
import { CloseIcon, LanguageIcon, Lotus, PlusIcon } from "./icons.tsx";
import { SideItem } from "./SideItem.tsx";

/** The conversations to switch between; a drawer where the page is narrow. */
export function SideList() {
  const closeButton = useRef<HTMLButtonElement>(null);
  const isOpen = isDrawerOpen.value;
  // A layout effect: later the browser has already taken the focus from the opener, which is inert by then.
  useLayoutEffect(() => {
    if (!isOpen) return;
    const opener = document.activeElement;
    closeButton.current?.focus();
    return () => {
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, [isOpen]);
  const close = () => {
    isDrawerOpen.value = false;
  };
  const go = (id: string | null) => {
    close();
    goTo(id);
  };
  return (
    <>
      {isOpen && <div class="backdrop" onClick={close} />}
      <aside
        class={`side ${isOpen ? "open" : ""}`}
        aria-label={t("side.label")}
        onKeyDown={(event) => {
          if (event.key === "Escape" && isOpen) close();
        }}
      >
        <div class="side-head">
          <Lotus />
          <span class="brand">{t("app.name")}</span>
          {isNarrow.value && (
            <button ref={closeButton} type="button" class="icon-button" aria-label={t("side.close")} onClick={close}>
              <CloseIcon />
            </button>
          )}
        </div>
        <button type="button" class="button new" onClick={() => go(null)}>
          <PlusIcon />
          {t("conversation.new")}
        </button>
        <nav class="side-scroll" aria-label={t("side.label")}>
          <SideContent onGo={go} />
        </nav>
        <button type="button" class="button quiet language" aria-label={t("language.switch.label")} onClick={switchLanguage}>
          <LanguageIcon />
          {t("language.switch")}
        </button>
      </aside>
    </>
  );
}

function SideContent({ onGo }: { onGo: (id: string) => void }) {
  if (listState.value === "failed") {
    return (
      <div class="side-note">
        <p>{t("side.failed")}</p>
        <button type="button" class="button" onClick={loadConversations}>
          {t("reply.retry")}
        </button>
      </div>
    );
  }
  if (listState.value === "ready" && conversations.value.length === 0) return <p class="side-note">{t("side.empty")}</p>;
  return (
    <>
      <ul class="side-items">
        {conversations.value.map((conversation) => (
          <SideItem key={conversation.id} conversation={conversation} onGo={onGo} />
        ))}
      </ul>
      {hasMore.value && (
        <button type="button" class="button quiet" onClick={loadMore}>
          {t("side.more")}
        </button>
      )}
    </>
  );
}
