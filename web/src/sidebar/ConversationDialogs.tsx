import type { Conversation } from "../api/contract.ts";
import { useEffect, useRef, useState } from "preact/hooks";

import { remove } from "../thread/erasing.ts";
import { exportConversation } from "../transfer/exporting.ts";
import { t } from "../session/language.ts";
import { conversation as shown } from "../session/conversations.ts";
import { ConversationDialog } from "./ConversationDialog.tsx";
import { Dialog } from "../ui/Dialog.tsx";

interface ConversationDialogsProps {
  readonly conversation: Conversation;
  readonly onClose: () => void;
}

/** What can be done with one conversation, and the question before it is gone. */
export function ConversationDialogs({ conversation, onClose }: ConversationDialogsProps) {
  const [isDeleting, setIsDeleting] = useState(false);
  if (isDeleting) return <DeleteDialog conversation={conversation} onClose={onClose} />;
  const takeChange = (changed: Conversation) => {
    if (shown.peek()?.id === changed.id) shown.value = changed;
  };
  return (
    <ConversationDialog
      conversation={conversation}
      onChanged={takeChange}
      onDelete={() => setIsDeleting(true)}
      onClose={onClose}
    />
  );
}

function DeleteDialog({ conversation, onClose }: ConversationDialogsProps) {
  const [state, setState] = useState<"asking" | "exporting" | "failed">("asking");
  const isLeft = useRef(false);
  useEffect(() => () => {
    isLeft.current = true;
  }, []);
  const title = conversation.title || t("conversation.untitled");
  const removeIt = async () => {
    onClose();
    await remove(conversation.id);
  };
  const exportFirst = async () => {
    setState("exporting");
    try {
      await exportConversation(conversation.id, "json");
    } catch {
      return setState("failed");
    }
    // Whoever left meanwhile has thought better of it.
    if (!isLeft.current) await removeIt();
  };
  const isExporting = state === "exporting";
  return (
    <Dialog title={t("conversation.delete.title", { title })} text={t("conversation.delete.text")} onClose={onClose}>
      {state !== "asking" && (
        <p class={isExporting ? "muted" : "dialog-trouble"} role="alert">
          {t(isExporting ? "export.running" : "export.failed.kept")}
        </p>
      )}
      <div class="dialog-actions many">
        <button type="button" class="button" onClick={onClose}>
          {t("dialog.cancel")}
        </button>
        <button type="button" class="button" aria-disabled={isExporting} onClick={() => isExporting || void exportFirst()}>
          {t("export.then_delete")}
        </button>
        <button type="button" class="button danger" aria-disabled={isExporting} onClick={() => isExporting || void removeIt()}>
          {t("conversation.delete.confirm")}
        </button>
      </div>
    </Dialog>
  );
}
