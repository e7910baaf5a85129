import { useLayoutEffect, useRef } from "preact/hooks";

import { conversations, hasMore, listState, loadMore } from "../session/conversations.ts";
import { switchLanguage, t } from "../session/language.ts";
import { panel } from "../ui/panel.ts";
import { goTo } from "../session/route.ts";
import { query } from "./query.ts";
import { start } from "../catalog/start.ts";
import { isComposing } from "../browser/composing.ts";
import { isDrawerOpen, isNarrow } from "../ui/drawer.ts";
import { CloseIcon, DotsIcon, LanguageIcon, Lotus, PlusIcon, SearchIcon } from "../ui/icons.tsx";
import { DeferredView } from "../ui/lazy.tsx";
import { SideItem } from "./SideItem.tsx";

/** The conversations to switch between; a drawer where the page is narrow. */
export function SideList() {
  const closeButton = useRef<HTMLButtonElement>(null);
  const isOpen = isDrawerOpen.value;
  const isSearching = query.value.trim() !== "";
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
          const isInDialog = event.target instanceof Element && event.target.closest("dialog") !== null;
          if (event.key === "Escape" && isOpen && !isInDialog && !isComposing(event)) close();
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
        <SearchBox />
        <nav class="side-scroll" aria-label={t(isSearching ? "search.results" : "side.label")}>
          {isSearching ? <DeferredView>{({ FoundList }) => <FoundList onGo={close} />}</DeferredView> : <SideContent onGo={go} />}
        </nav>
        <div class="side-foot">
          <button type="button" class="button quiet" aria-haspopup="dialog" onClick={() => (panel.value = "menu")}>
            <DotsIcon />
            {t("more")}
          </button>
          <button type="button" class="button quiet" aria-label={t("language.switch.label")} onClick={switchLanguage}>
            <LanguageIcon />
            {t("language.switch")}
          </button>
        </div>
      </aside>
      {panel.value !== null && <DeferredView onMissing={() => (panel.value = null)}>{({ Menu }) => <Menu />}</DeferredView>}
    </>
  );
}

/** Leaving the search by Escape or by its button brings the list of conversations back. */
function SearchBox() {
  const input = useRef<HTMLInputElement>(null);
  const leave = () => {
    query.value = "";
    input.current?.focus();
  };
  return (
    <search
      class="search"
      onKeyDown={(event) => {
        if (event.key !== "Escape" || query.peek() === "" || isComposing(event)) return;
        // The drawer around it stays open.
        event.stopPropagation();
        leave();
      }}
    >
      <SearchIcon />
      <input
        ref={input}
        type="text"
        role="searchbox"
        value={query.value}
        maxLength={200}
        aria-label={t("search.label")}
        placeholder={t("search.label")}
        onInput={(event) => (query.value = event.currentTarget.value)}
      />
      {query.value !== "" && (
        <button type="button" class="icon-button" aria-label={t("search.leave")} onClick={leave}>
          <CloseIcon />
        </button>
      )}
    </search>
  );
}

function SideContent({ onGo }: { onGo: (id: string) => void }) {
  if (listState.value === "failed") {
    return (
      <div class="side-note">
        <p>{t("side.failed")}</p>
        <button type="button" class="button" onClick={start}>
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
