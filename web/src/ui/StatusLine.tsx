import type { RefObject } from "preact";

import { announcement } from "../session/status.ts";

/** What a screen reader is told: one line for the page, and one within each dialog, `dialog`. Only that on top speaks. */
export function StatusLine({ dialog }: { dialog?: RefObject<HTMLDialogElement | null> }) {
  const { text, within } = announcement.value;
  const isOnTop = dialog === undefined ? within === null : within !== null && within === dialog.current;
  return (
    <div class="visually-hidden" role="status">
      {isOnTop && text}
    </div>
  );
}
