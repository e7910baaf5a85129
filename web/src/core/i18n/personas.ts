import type { Language } from "./index.ts";
import { personasEn } from "./personas.en.ts";
import { personasZh } from "./personas.zh.ts";

/** The texts of the editor of personas, fetched with it. */
export type PersonasKey = keyof typeof personasZh;

export const PERSONAS: Readonly<Record<Language, Readonly<Record<PersonasKey, string>>>> = {
  zh: personasZh,
  en: personasEn,
};

export function isPersonasKey(text: string): text is PersonasKey {
  return Object.hasOwn(personasZh, text);
}
