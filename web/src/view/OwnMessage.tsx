import type { ShownMessage } from "../state/messages.ts";
import { t } from "../state/language.ts";

export function OwnMessage({ message }: { message: ShownMessage }) {
  return (
    <article class="own" aria-label={t("message.you")}>
      <div class="own-text">{message.content}</div>
    </article>
  );
}
