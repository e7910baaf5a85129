import { pinMessage } from "../api/conversations.ts";
import { t } from "../session/language.ts";
import type { ShownMessage } from "./messages.ts";
import { api } from "../session/client.ts";
import { announce, trouble } from "../session/status.ts";
import { replaceMessage } from "./thread.ts";
import { conversation } from "../session/conversations.ts";
import { reportIn } from "../session/failure.ts";

/** Pins a message: it is kept as long as its conversation, and is in every prompt. Or lets it go. */
export async function pin(message: ShownMessage, isPinned: boolean): Promise<void> {
  const id = conversation.peek()?.id;
  if (id === undefined || message.id === null) return;
  trouble.value = null;
  try {
    await pinMessage(api, id, message.id, isPinned);
    replaceMessage(message.key, (shown) => ({ ...shown, isPinned }));
    announce(t(isPinned ? "message.pinned" : "message.unpinned"));
  } catch (error) {
    reportIn(id, error);
    announce(trouble.peek() ?? "");
  }
}
