import { effect, signal } from "@preact/signals";

import { fill, type Language, preferredLanguage, TAGS, type TextKey, type Texts, TEXTS } from "../i18n/index.ts";
import { keep, recall } from "../browser/storage.ts";

const kept = recall("language");

export const language = signal<Language>(kept === "zh" || kept === "en" ? kept : preferredLanguage(navigator.languages));

effect(() => {
  document.documentElement.lang = TAGS[language.value];
});

export function switchLanguage(): void {
  language.value = language.value === "zh" ? "en" : "zh";
  keep("language", language.value);
}

/** All texts that are here, those of the entry first. */
const texts = signal<readonly Texts[]>([TEXTS]);
let fetchTexts = () => {};

/** Registers the texts of a feature, once it has been fetched. */
export function addTexts(more: Texts): void {
  texts.value = [...texts.peek(), more];
}

/** @param fetch called for a text that is not here yet; it ends in `addTexts`. */
export function whenTextIsMissing(fetch: () => void): void {
  fetchTexts = fetch;
}

/** What stands under `key`, with its holes; null where there is no such text, or none yet. */
export function textOf(key: string): string | null {
  const found = texts.value.find(({ zh }) => Object.hasOwn(zh, key));
  return found?.[language.value][key] ?? null;
}

/**
 * The text of `key` in the reader's language, with each `{name}` replaced by its value. A component that calls it is
 * drawn anew when that changes, and when a text that was still missing has come.
 */
export function t(key: TextKey, values: Record<string, string | number> = {}): string {
  const text = textOf(key);
  if (text === null) fetchTexts();
  return fill(text ?? "", values);
}

/** Two sentences one after the other, the second perhaps empty: Chinese puts no space between. */
export function sentences(first: string, second: string): string {
  return t("sentences", { first, second }).trim();
}

/** For dates and figures: English as it is written where the reader is, as far as the browser says. */
export function languageTag(): string {
  const own = language.value === "en" ? navigator.languages.find((tag) => tag.startsWith("en-")) : undefined;
  return own ?? TAGS[language.value];
}
