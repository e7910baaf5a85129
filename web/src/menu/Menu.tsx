import { useEffect, useLayoutEffect } from "preact/hooks";

import { panel } from "../ui/panel.ts";
import { lazy, reportMissing } from "../ui/lazy.tsx";

const panels = lazy(() => import("./panels.ts"));

/** The "More" menu and its dialogs, fetched when first opened. */
export function Menu() {
  // One dialog takes the place of another meanwhile: only the first knows where the reader came from.
  useLayoutEffect(() => {
    const opener = document.activeElement;
    // Until the dialog is gone, a moment after this, nothing beside it takes the focus.
    return () => queueMicrotask(() => opener instanceof HTMLElement && opener.focus());
  }, []);
  useEffect(() => {
    panels.fetch().catch(() => {
      panel.value = null;
      reportMissing();
    });
  }, []);
  const part = panels.part.value;
  return part === null ? null : <part.Panels />;
}
