import { t } from "../state/language.ts";
import type { ShownMessage } from "../state/messages.ts";
import { pin } from "../state/pins.ts";
import { PinIcon } from "./icons.tsx";

/** Pins a message, and shows that it is pinned. */
export function PinButton({ message }: { message: ShownMessage }) {
  const { isPinned } = message;
  return (
    <button
      type="button"
      class={isPinned ? "icon-button pinned" : "icon-button"}
      aria-label={t("message.pin")}
      aria-pressed={isPinned}
      title={t(isPinned ? "message.unpin.title" : "message.pin.title")}
      onClick={() => void pin(message, !isPinned)}
    >
      <PinIcon />
    </button>
  );
}
