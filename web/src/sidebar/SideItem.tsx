import { useState } from "preact/hooks";

import type { Conversation } from "../api/contract.ts";
import { t } from "../session/language.ts";
import { openId } from "../session/route.ts";
import { roleCalled } from "../catalog/roles.ts";
import { expiry } from "./expiry.ts";
import { DotsIcon, PinIcon } from "../ui/icons.tsx";
import { DeferredView } from "../ui/lazy.tsx";

interface SideItemProps {
  readonly conversation: Conversation;
  readonly onGo: (id: string) => void;
}

export function SideItem({ conversation, onGo }: SideItemProps) {
  const [isOpen, setIsOpen] = useState(false);
  const title = conversation.title || t("conversation.untitled");
  const isCurrent = openId.value === conversation.id;
  return (
    <li class={isCurrent ? "side-item current" : "side-item"}>
      <a
        class="side-link"
        href={`#/c/${conversation.id}`}
        aria-current={isCurrent ? "page" : undefined}
        onClick={(event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          onGo(conversation.id);
        }}
      >
        <span class="side-icon" aria-hidden="true">
          {roleCalled(conversation.role)?.icon ?? ""}
        </span>
        <span class="side-title">{title}</span>
        <span class="side-expiry">
          {conversation.pinned && <PinIcon />}
          {conversation.running_turn_id === null ? expiry(conversation) : t("side.running")}
        </span>
      </a>
      <button
        type="button"
        class="icon-button"
        aria-label={t("side.options", { title })}
        aria-haspopup="dialog"
        onClick={() => setIsOpen(true)}
      >
        <DotsIcon />
      </button>
      {isOpen && (
        <DeferredView onMissing={() => setIsOpen(false)}>
          {({ ConversationDialogs }) => (
            <ConversationDialogs conversation={conversation} onClose={() => setIsOpen(false)} />
          )}
        </DeferredView>
      )}
    </li>
  );
}
