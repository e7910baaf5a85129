import { t } from "../session/language.ts";
import type { ShownMessage } from "./messages.ts";
import { announce } from "../session/status.ts";
import { switchTo } from "./switching.ts";

/** Shows the branch of the message that stands in the place of `message` as the one of number `index`, from 0. */
export async function showSibling({ siblings }: ShownMessage, index: number): Promise<void> {
  const messageId = siblings[index];
  if (messageId === undefined || !(await switchTo(messageId))) return;
  announce(t("branch.shown", { n: index + 1, of: siblings.length }));
}
