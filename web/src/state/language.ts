import { effect, signal } from "@preact/signals";

import { type Key, type Language, preferredLanguage, TAGS, translate } from "../core/i18n/index.ts";
import { keep, recall } from "./memory.ts";

const kept = recall("language");

export const language = signal<Language>(kept === "zh" || kept === "en" ? kept : preferredLanguage(navigator.languages));

effect(() => {
  document.documentElement.lang = TAGS[language.value];
});

export function switchLanguage(): void {
  language.value = language.value === "zh" ? "en" : "zh";
  keep("language", language.value);
}

/** The text of `key` in the reader's language; a component that calls it is drawn anew when that changes. */
export function t(key: Key, values?: Record<string, string | number>): string {
  return translate(language.value, key, values);
}

/** Two sentences one after the other, the second perhaps empty: Chinese puts no space between. */
export function sentences(first: string, second: string): string {
  return t("sentences", { first, second }).trim();
}

export function languageTag(): string {
  return TAGS[language.value];
}
