import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect } from "preact/hooks";

import { more } from "./state.ts";
import { tellMissing } from "../ui/lazy.tsx";

const parts = signal<typeof import("./panels.ts") | null>(null);

/** The "More" menu and its dialogs, fetched when first opened. */
export function More() {
  // One dialog takes the place of another meanwhile: only the first knows where the reader came from.
  useLayoutEffect(() => {
    const opener = document.activeElement;
    // Until the dialog is gone, a moment after this, nothing beside it takes the focus.
    return () => queueMicrotask(() => opener instanceof HTMLElement && opener.focus());
  }, []);
  useEffect(() => {
    const fetchParts = async () => {
      parts.value ??= await import("./panels.ts");
    };
    fetchParts().catch(() => {
      more.value = null;
      tellMissing();
    });
  }, []);
  return parts.value === null ? null : <parts.value.MoreDialogs />;
}
