import type { Language } from "../i18n/index.ts";
import { moreEn } from "./texts.en.ts";
import { moreZh } from "./texts.zh.ts";

/** The texts of the "More" menu and its dialogs; apart, because few open it. */
export type MoreKey = keyof typeof moreZh;

export const MORE: Readonly<Record<Language, Readonly<Record<MoreKey, string>>>> = { zh: moreZh, en: moreEn };

export function isMoreKey(text: string): text is MoreKey {
  return Object.hasOwn(moreZh, text);
}
