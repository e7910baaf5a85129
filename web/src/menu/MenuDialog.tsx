import { useEffect } from "preact/hooks";

import { loadWho, who } from "../account/account.ts";
import { panel } from "../ui/panel.ts";
import { t } from "../session/language.ts";
import { Dialog } from "../ui/Dialog.tsx";
import { RightIcon } from "../ui/dialogIcons.tsx";
import { AccountIcon, AdminIcon, KeyboardIcon, PersonaIcon, TransferIcon, UsageIcon } from "./icons.tsx";
import { close } from "../ui/PanelDialog.tsx";
import "./texts.ts";

const ENTRIES = [
  ["personas", PersonaIcon],
  ["usage", UsageIcon],
  ["transfer", TransferIcon],
  ["shortcuts", KeyboardIcon],
  ["account", AccountIcon],
  ["admin", AdminIcon],
] as const;

export function MenuDialog() {
  useEffect(() => void loadWho(), []);
  const entries = ENTRIES.filter(([name]) => isOffered(name));
  return (
    <Dialog title={t("more")} onClose={close}>
      <ul class="more-entries">
        {entries.map(([name, EntryIcon]) => (
          <li key={name}>
            <button type="button" class="more-entry" onClick={() => (panel.value = name)}>
              <EntryIcon />
              <span class="more-name">{t(`more.${name}`)}</span>
              <span class="more-about">{t(`more.${name}.about`)}</span>
              <RightIcon />
            </button>
          </li>
        ))}
      </ul>
      <div class="dialog-actions">
        <button type="button" class="button" onClick={close}>
          {t("more.close")}
        </button>
      </div>
    </Dialog>
  );
}

/** Where nobody logs in there is no account, and only administrators administer. */
function isOffered(name: (typeof ENTRIES)[number][0]): boolean {
  if (name === "admin") return who.value?.role === "admin";
  return name !== "account" || who.value !== null;
}
