import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect } from "preact/hooks";

import { Unreachable } from "../../core/problem.ts";
import { more } from "../../state/more.ts";
import { report } from "../../state/status.ts";

const parts = signal<typeof import("./more.ts") | null>(null);

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
      parts.value ??= await import("./more.ts");
    };
    fetchParts().catch((error: unknown) => {
      more.value = null;
      report(new Unreachable(error));
    });
  }, []);
  return parts.value === null ? null : <parts.value.MoreDialogs />;
}
