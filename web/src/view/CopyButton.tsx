import { useState } from "preact/hooks";

import type { Key } from "../core/i18n/index.ts";
import type { LaterKey } from "../core/i18n/later.ts";
import { t } from "../state/language.ts";
import { announce } from "../state/status.ts";
import { CopyIcon } from "./icons.tsx";

/** Copies what `text` says at the time. */
export function CopyButton({ text, label = "message.copy" }: { text: () => string; label?: Key | LaterKey }) {
  const [isCopied, setIsCopied] = useState(false);
  // Missing on plain http outside this machine.
  if (navigator.clipboard === undefined) return null;
  const copy = async () => {
    await navigator.clipboard.writeText(text());
    setIsCopied(true);
    announce(t("message.copied"));
  };
  return (
    <button type="button" class="button quiet small" onClick={copy} onBlur={() => setIsCopied(false)}>
      <CopyIcon />
      {t(isCopied ? "message.copied" : label)}
    </button>
  );
}
