import { fill, type Key } from "../i18n/index.ts";
import type { LaterKey } from "../i18n/later.ts";
import { isMoreKey, MORE, type MoreKey } from "./texts.ts";
import { language } from "../session/language.ts";
import { t as say } from "../session/language.ts";

/** Like `t` of `language.ts`, with the texts of the "More" menu as well. */
export function t(key: Key | LaterKey | MoreKey, values: Record<string, string | number> = {}): string {
  return isMoreKey(key) ? fill(MORE[language.value][key], values) : say(key, values);
}
