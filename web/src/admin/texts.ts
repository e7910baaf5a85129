import { addTexts } from "../session/language.ts";
import { en } from "./texts.en.ts";
import { zh } from "./texts.zh.ts";

/** The texts of the admin. */
export const TEXTS = { zh, en };

declare module "../i18n/index.ts" {
  interface TextKeys extends Record<keyof typeof zh, string> {}
}

addTexts(TEXTS);
