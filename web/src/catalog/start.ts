import { listState, takeConversations } from "../session/conversations.ts";
import { takeModels } from "./models.ts";
import { takeRoles } from "./roles.ts";
import { api } from "../session/client.ts";
import { takeSettings } from "../session/preferences.ts";

/**
 * Asks for what the page needs first. One question: the first answer also says who is asking, in a cookie, and there must
 * not be two of them.
 */
export async function start(): Promise<void> {
  try {
    const { roles, models, settings, conversations } = await api.start();
    takeSettings(settings);
    takeRoles(roles);
    takeModels(models);
    takeConversations(conversations);
  } catch {
    // The page stands without names and icons, and says what is missing where the list would be.
    if (listState.peek() === "loading") listState.value = "failed";
  }
}
