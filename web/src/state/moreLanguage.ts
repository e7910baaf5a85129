import { fill, type Key } from "../core/i18n/index.ts";
import type { LaterKey } from "../core/i18n/later.ts";
import { isMoreKey, MORE, type MoreKey } from "../core/i18n/more.ts";
import { language } from "./language.ts";
import { t as say } from "./language.ts";

/** Like `t` of `language.ts`, with the texts of the "More" menu as well. */
export function t(key: Key | LaterKey | MoreKey, values: Record<string, string | number> = {}): string {
  return isMoreKey(key) ? fill(MORE[language.value][key], values) : say(key, values);
}
