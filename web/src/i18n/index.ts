import { en } from "./en.ts";
import { zh } from "./zh.ts";

export type Language = "zh" | "en";

/** The keys of all texts: these of the entry, and those that each feature declares beside its own. */
export interface TextKeys extends Record<keyof typeof zh, string> {}
export type TextKey = keyof TextKeys;

/** Texts in both languages, with the same keys. */
export type Texts = Readonly<Record<Language, Readonly<Record<string, string>>>>;

/** The texts that the page needs to stand. */
export const TEXTS = { zh, en };

/** What goes into `<html lang>`. */
export const TAGS: Readonly<Record<Language, string>> = { zh: "zh-CN", en: "en" };

/** `text` with each `{name}` replaced by its value. */
export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (hole, name: string) => String(values[name] ?? hole));
}

/** Chinese for readers of any Chinese, English for everybody else. */
export function preferredLanguage(tags: readonly string[]): Language {
  return tags[0]?.toLowerCase().startsWith("zh") ? "zh" : "en";
}
