import { more } from "../../state/more.ts";
import { MenuDialog } from "./MenuDialog.tsx";
import { close } from "./MoreDialog.tsx";
import { PersonasDialog } from "./PersonasDialog.tsx";
import { ShortcutsDialog } from "./ShortcutsDialog.tsx";
import { TransferDialog } from "./TransferDialog.tsx";
import { UsageDialog } from "./UsageDialog.tsx";

/** The menu, or the one of its dialogs that is open. */
export function MoreDialogs() {
  switch (more.value) {
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
    case null:
      return null;
  }
}
