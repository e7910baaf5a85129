import { en } from "./en.ts";
import { zh } from "./zh.ts";

export type Key = keyof typeof zh;
export type Catalogue = Readonly<Record<Key, string>>;
export type Language = "zh" | "en";

export const CATALOGUES: Readonly<Record<Language, Catalogue>> = { zh, en };

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
