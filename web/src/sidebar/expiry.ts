import type { Conversation } from "../api/contract.ts";
import { ahead } from "../i18n/when.ts";
import { languageTag, t } from "../session/language.ts";

/** When a conversation will be gone, in words. */
export function expiry({ pinned, expires_at }: Conversation): string {
  if (pinned) return t("expiry.pinned");
  if (expires_at === null) return t("expiry.never");
  return t("expiry.in", { when: ahead(expires_at, Date.now() / 1000, languageTag()) });
}
