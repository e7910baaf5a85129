import type { Language } from "./index.ts";
import { laterEn } from "./later.en.ts";
import { laterZh } from "./later.zh.ts";

/** The texts of what is fetched after the page stands; apart, so that the page does not wait for them. */
export type LaterKey = keyof typeof laterZh;

export const LATER: Readonly<Record<Language, Readonly<Record<LaterKey, string>>>> = { zh: laterZh, en: laterEn };

export function isLaterKey(text: string): text is LaterKey {
  return Object.hasOwn(laterZh, text);
}
