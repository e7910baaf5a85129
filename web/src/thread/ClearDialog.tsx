import { clear } from "./erasing.ts";
import { t } from "../session/language.ts";
import { Dialog } from "../ui/Dialog.tsx";

/** Asks before the messages are gone for good. The way back comes first, so that Enter takes it. */
export function ClearDialog({ onClose }: { onClose: () => void }) {
  const proceed = () => {
    onClose();
    void clear();
  };
  return (
    <Dialog title={t("conversation.clear.title")} text={t("conversation.clear.text")} onClose={onClose}>
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onClose}>
          {t("dialog.cancel")}
        </button>
        <button type="button" class="button danger" onClick={proceed}>
          {t("conversation.clear.confirm")}
        </button>
      </div>
    </Dialog>
  );
}
