import { useState } from "preact/hooks";

import { deleteUser } from "../api/admin.ts";
import { api } from "../session/client.ts";
import { t } from "../session/language.ts";
import { Dialog } from "../ui/Dialog.tsx";

interface PersonDeleteProps {
  readonly name: string;
  /** Does it, and the list says what went wrong; false where something else goes on in there. */
  readonly onDelete: (work: () => Promise<unknown>) => Promise<boolean>;
  readonly onClose: () => void;
}

/** The question before everything that is a person's is gone. The way back comes first, so that Enter takes it. */
export function PersonDelete({ name, onDelete, onClose }: PersonDeleteProps) {
  const [isBusy, setBusy] = useState(false);
  const proceed = async () => {
    if (isBusy) return;
    setBusy(true);
    if (await onDelete(() => deleteUser(api, name))) onClose();
    else setBusy(false);
  };
  return (
    <Dialog title={t("admin.delete.title", { name })} text={t("admin.delete.text")} onClose={onClose}>
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onClose}>
          {t("admin.cancel")}
        </button>
        <button type="button" class="button danger" aria-disabled={isBusy} onClick={() => void proceed()}>
          {t(isBusy ? "admin.deleting" : "admin.delete.confirm")}
        </button>
      </div>
    </Dialog>
  );
}
