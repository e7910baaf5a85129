import type { Language } from "./index.ts";
import { moreEn } from "./more.en.ts";
import { moreZh } from "./more.zh.ts";

/** The texts of the "More" menu and its dialogs; apart, because few open it. */
export type MoreKey = keyof typeof moreZh;

export const MORE: Readonly<Record<Language, Readonly<Record<MoreKey, string>>>> = { zh: moreZh, en: moreEn };

export function isMoreKey(text: string): text is MoreKey {
  return Object.hasOwn(moreZh, text);
}
