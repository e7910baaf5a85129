import { t } from "../session/language.ts";
import { announce, trouble } from "../session/status.ts";

/** Whether there is a clipboard: it is missing on plain http outside this machine. */
export function canCopy(): boolean {
  return (navigator.clipboard as Clipboard | undefined) !== undefined;
}

/** What was reported of the last time that it did not work. */
let reported: string | null = null;

/** Copies `text`; false, and the trouble reported, where the browser does not allow it. */
export async function copy(text: string): Promise<boolean> {
  const isCopied = await navigator.clipboard.writeText(text).then(() => true, () => false);
  if (!isCopied) {
    trouble.value = reported = t("trouble.copy");
    return false;
  }
  if (trouble.peek() === reported) trouble.value = null;
  announce(t("message.copied"));
  return true;
}
