import { useState } from "preact/hooks";

import type { Conversation } from "../core/contract.ts";
import { remove } from "../state/conversations.ts";
import { t } from "../state/language.ts";
import { goTo, place } from "../state/place.ts";
import { roleCalled } from "../state/roles.ts";
import { conversation as shown } from "../state/talk.ts";
import { ConfirmDialog } from "./ConfirmDialog.tsx";
import { ConversationDialog } from "./ConversationDialog.tsx";
import { expiry } from "./expiry.ts";
import { DotsIcon, PinIcon } from "./icons.tsx";

interface SideItemProps {
  readonly conversation: Conversation;
  readonly onGo: (id: string) => void;
}

export function SideItem({ conversation, onGo }: SideItemProps) {
  const [dialog, setDialog] = useState<"options" | "delete" | null>(null);
  const title = conversation.title || t("conversation.untitled");
  const isCurrent = place.value === conversation.id;
  const close = () => setDialog(null);

  const takeChange = (changed: Conversation) => {
    if (shown.peek()?.id === changed.id) shown.value = changed;
  };
  const removeIt = async () => {
    if ((await remove(conversation.id)) && place.peek() === conversation.id) goTo(null);
  };

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
        onClick={() => setDialog("options")}
      >
        <DotsIcon />
      </button>
      {dialog === "options" && (
        <ConversationDialog
          conversation={conversation}
          onChanged={takeChange}
          onDelete={() => setDialog("delete")}
          onClose={close}
        />
      )}
      {dialog === "delete" && (
        <ConfirmDialog
          title={t("conversation.delete.title", { title })}
          text={t("conversation.delete.text")}
          confirm={t("conversation.delete.confirm")}
          onConfirm={removeIt}
          onClose={close}
        />
      )}
    </li>
  );
}
