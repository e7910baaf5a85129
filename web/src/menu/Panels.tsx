import { AccountDialog } from "../account/AccountDialog.tsx";
import { Admin } from "../admin/Admin.tsx";
import { panel } from "../ui/panel.ts";
import { MenuDialog } from "./MenuDialog.tsx";
import { close } from "../ui/PanelDialog.tsx";
import { PersonasDialog } from "../personas/PersonasDialog.tsx";
import { ShortcutsDialog } from "../shortcuts/ShortcutsDialog.tsx";
import { TransferDialog } from "../transfer/TransferDialog.tsx";
import { UsageDialog } from "../usage/UsageDialog.tsx";

/** The menu, or the one of its dialogs that is open. */
export function Panels() {
  switch (panel.value) {
    case "menu":
      return <MenuDialog />;
    case "personas":
      return <PersonasDialog onClose={close} />;
    case "usage":
      return <UsageDialog />;
    case "transfer":
      return <TransferDialog />;
    case "shortcuts":
      return <ShortcutsDialog />;
    case "account":
      return <AccountDialog />;
    case "admin":
      return <Admin />;
    case null:
      return null;
  }
}
