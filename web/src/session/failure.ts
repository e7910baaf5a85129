import { conversation, conversations } from "./conversations.ts";
import { t } from "./language.ts";
import { report, trouble } from "./status.ts";

/** Says what did not work in conversation `id` (null: a new one); to a reader who is elsewhere by now, where that was. */
export function reportIn(id: string | null, error: unknown): void {
  report(error);
  if ((conversation.peek()?.id ?? null) === id) return;
  const title = conversations.peek().find((each) => each.id === id)?.title || t("conversation.untitled");
  trouble.value = t("trouble.elsewhere", { title });
}
