import type { ComponentChildren } from "preact";

import { panel } from "./panel.ts";
import { t } from "../session/language.ts";
import { Dialog } from "./Dialog.tsx";
import { LeftIcon } from "./dialogIcons.tsx";

export function close(): void {
  panel.value = null;
}

/** A dialog behind the menu, with the way back to it. */
export function PanelDialog({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <Dialog title={title} onClose={close}>
      {children}
      <div class="dialog-actions">
        <button type="button" class="button quiet more-back" onClick={() => (panel.value = "menu")}>
          <LeftIcon />
          {t("more.back")}
        </button>
        <span class="spring" />
        <button type="button" class="button" onClick={close}>
          {t("more.close")}
        </button>
      </div>
    </Dialog>
  );
}
