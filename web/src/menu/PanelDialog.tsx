import type { ComponentChildren } from "preact";

import { more } from "./state.ts";
import { t } from "./language.ts";
import { Dialog } from "../ui/Dialog.tsx";
import { LeftIcon } from "../ui/dialogIcons.tsx";

export function close(): void {
  more.value = null;
}

/** A dialog behind the menu, with the way back to it. */
export function MoreDialog({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <Dialog title={title} onClose={close}>
      {children}
      <div class="dialog-actions">
        <button type="button" class="button quiet more-back" onClick={() => (more.value = "menu")}>
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
