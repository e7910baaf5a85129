import { useEffect } from "preact/hooks";

import { lazy, reportMissing } from "../ui/lazy.tsx";
import { close } from "../ui/PanelDialog.tsx";

const dialog = lazy(() => import("./dialog.ts"));

/** People, invites, groups and usage: few need it, so that it is fetched when it is opened. */
export function Admin() {
  useEffect(() => {
    dialog.fetch().catch(() => {
      close();
      reportMissing();
    });
  }, []);
  const part = dialog.part.value;
  return part === null ? null : <part.AdminDialog />;
}
