import { en } from "./deferred.en.ts";
import { zh } from "./deferred.zh.ts";

/** The texts that the page needs once it is used; apart, so that its first load does not wait for them. */
export const DEFERRED = { zh, en };

export type DeferredKey = keyof typeof zh;

export function isDeferredKey(text: string): text is DeferredKey {
  return Object.hasOwn(zh, text);
}

declare module "./index.ts" {
  interface TextKeys extends Record<DeferredKey, string> {}
}
