import { t } from "../session/language.ts";
import type { ShownMessage } from "./messages.ts";
import { pin } from "./pins.ts";
import { PinIcon } from "../ui/icons.tsx";

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
