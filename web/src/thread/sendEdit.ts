import { randomKey } from "../browser/randomKey.ts";
import { missingMessage } from "../api/problem.ts";
import { giveBack } from "./drafts.ts";
import { editing, forgetEdit, leaveEdit, writeEdit } from "./editing.ts";
import { ownMessage, type ShownMessage } from "./messages.ts";
import { isBusy } from "./reply.ts";
import { act, upTo } from "./sending.ts";
import { conversation } from "../session/conversations.ts";

/** Sends `text` in the place of `message`, which stays on a branch of its own. What could not be sent is edited on. */
export async function sendEdit(message: ShownMessage, text: string): Promise<void> {
  const id = conversation.peek()?.id;
  const edited = message.id;
  if (edited === null || id === undefined || isBusy()) return;
  const own = { ...ownMessage(text), siblings: message.siblings };
  leaveEdit();
  await act({
    key: randomKey(),
    body: { edit: edited, message: text },
    shown: [...upTo(message, 0), own],
    own: own.key,
    onTaken: () => forgetEdit(id, edited),
    onRefused: (_, error) => {
      if (missingMessage(error) !== null) {
        // There is nothing left to edit, but the text may be wanted.
        forgetEdit(id, edited);
        giveBack(id, text);
        // Where another message is being edited since, this text waits for its own editor.
      } else if (conversation.peek()?.id === id && editing.peek() === null) writeEdit({ id: edited, text });
    },
  });
}
