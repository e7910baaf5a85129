/** What the page fetches once it is used. One file: each of these is small, and who uses one soon uses another. */
import "./deferred.css";
import { DEFERRED } from "../i18n/deferred.ts";
import { addTexts } from "../session/language.ts";

export * from "../catalog/deferred.ts";
export * from "../menu/deferred.ts";
export * from "../shortcuts/deferred.ts";
export * from "../sidebar/deferred.ts";
export * from "../thread/deferred.ts";

addTexts(DEFERRED);
