import { t } from "./language.ts";
import { announce, trouble } from "./status.ts";

/** Whether there is a clipboard: it is missing on plain http outside this machine. */
export function canCopy(): boolean {
  return (navigator.clipboard as Clipboard | undefined) !== undefined;
}

/** Copies `text`; false, and the trouble told, where the browser does not allow it. */
export async function copy(text: string): Promise<boolean> {
  const isCopied = await navigator.clipboard.writeText(text).then(() => true, () => false);
  if (isCopied) announce(t("message.copied"));
  else trouble.value = t("trouble.copy");
  return isCopied;
}
