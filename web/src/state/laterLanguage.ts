import { fill, type Key } from "../core/i18n/index.ts";
import { isLaterKey, LATER, type LaterKey } from "../core/i18n/later.ts";
import { language, t as say } from "./language.ts";

/** Like `t` of `language.ts`, with the texts of what is fetched after the page stands as well. */
export function t(key: Key | LaterKey, values: Record<string, string | number> = {}): string {
  return isLaterKey(key) ? fill(LATER[language.value][key], values) : say(key, values);
}
