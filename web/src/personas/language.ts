import { fill, type Key } from "../i18n/index.ts";
import type { LaterKey } from "../i18n/later.ts";
import { isPersonasKey, PERSONAS, type PersonasKey } from "./texts.ts";
import { language, t as say } from "../session/language.ts";

/** Like `t` of `language.ts`, with the texts of the editor of personas as well. */
export function t(key: Key | LaterKey | PersonasKey, values: Record<string, string | number> = {}): string {
  return isPersonasKey(key) ? fill(PERSONAS[language.value][key], values) : say(key, values);
}
