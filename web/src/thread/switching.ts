import { api } from "../session/client.ts";
import { trouble } from "../session/status.ts";
import { elsewhere } from "./thread.ts";
import { conversation } from "../session/conversations.ts";
import { reportIn } from "../session/failure.ts";
import { look } from "./visit.ts";

/** Shows the branch in which a reply is being made. */
export async function showElsewhere(): Promise<void> {
  const questionId = elsewhere.peek()?.questionId;
  if (questionId) await switchTo(questionId, questionId);
}

/** Makes the branch of a message the current one, and shows it; false, and the trouble told, where that failed. */
export async function switchTo(messageId: string, newestId: string | null = null): Promise<boolean> {
  const id = conversation.peek()?.id;
  if (id === undefined) return false;
  trouble.value = null;
  const error: unknown = await api.switchBranch(id, messageId).then(() => null, (error: unknown) => error);
  if (error !== null) reportIn(id, error);
  if (conversation.peek()?.id === id) await look(id, newestId);
  return error === null;
}
