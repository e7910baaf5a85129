import { clearHistory, deleteConversation } from "../api/conversations.ts";
import { conversation, unlist } from "../session/conversations.ts";
import { forgetWritten } from "../browser/storage.ts";
import { t } from "../session/language.ts";
import { goTo, openId } from "../session/route.ts";
import { api } from "../session/client.ts";
import { announce, report } from "../session/status.ts";
import { reportIn } from "../session/failure.ts";
import { look } from "./visit.ts";

/** Clears the conversation on the page; the conversation itself stays. */
export async function clear(): Promise<void> {
  const id = conversation.peek()?.id;
  if (id === undefined) return;
  try {
    await clearHistory(api, id);
    // The reader may have gone elsewhere meanwhile.
    if (conversation.peek()?.id === id) await look(id);
    announce(t("conversation.cleared"));
  } catch (error) {
    reportIn(id, error);
  }
}

/** Deletes a conversation, and leaves it where it is the one on the page. */
export async function remove(id: string): Promise<void> {
  try {
    await deleteConversation(api, id);
    unlist(id);
    forgetWritten(id);
    if (openId.peek() === id) goTo(null);
  } catch (error) {
    report(error);
  }
}
