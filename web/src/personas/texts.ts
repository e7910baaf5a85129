import type { Language } from "../i18n/index.ts";
import { personasEn } from "./texts.en.ts";
import { personasZh } from "./texts.zh.ts";

/** The texts of the editor of personas, fetched with it. */
export type PersonasKey = keyof typeof personasZh;

export const PERSONAS: Readonly<Record<Language, Readonly<Record<PersonasKey, string>>>> = {
  zh: personasZh,
  en: personasEn,
};

export function isPersonasKey(text: string): text is PersonasKey {
  return Object.hasOwn(personasZh, text);
}
