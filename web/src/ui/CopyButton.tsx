import { useState } from "preact/hooks";

import type { TextKey } from "../i18n/index.ts";
import type { DeferredKey } from "../i18n/deferred.ts";
import { canCopy, copy } from "./copying.ts";
import { t } from "../session/language.ts";
import { CopyIcon } from "./dialogIcons.tsx";

/** Copies what `text` says at the time. */
export function CopyButton({ text, label = "message.copy" }: { text: () => string; label?: TextKey | DeferredKey }) {
  const [isCopied, setIsCopied] = useState(false);
  if (!canCopy()) return null;
  const onClick = async () => setIsCopied(await copy(text()));
  return (
    <button type="button" class="button quiet small" onClick={onClick} onBlur={() => setIsCopied(false)}>
      <CopyIcon />
      {t(isCopied ? "message.copied" : label)}
    </button>
  );
}
