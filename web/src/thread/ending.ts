import type { DeferredKey } from "../i18n/deferred.ts";
import type { EndStatus } from "../api/contract.ts";

/** How a reply ended, as it is kept with it. `finishReason` is the model's own word, in OpenAI's where that means the same. */
export interface Ending {
  readonly status: EndStatus | "running";
  readonly finishReason: string | null;
  readonly content: string;
  readonly reasoning: string;
}

/** What is said of it: null where a reply is as it should be. */
export interface EndWords {
  readonly text: DeferredKey;
  /** Whether what went wrong is to be said as well. */
  readonly hasCause: boolean;
  /** Whether the model can go on from what there is. */
  readonly canContinue: boolean;
}

export function wordsFor({ status, finishReason, content, reasoning }: Ending): EndWords | null {
  const isEmpty = content.trim() === "";
  const say = (text: DeferredKey, canContinue: boolean, hasCause = false): EndWords => ({ text, canContinue, hasCause });
  if (status === "stopped") {
    return isEmpty ? say("reply.stopped.empty", reasoning !== "") : say("reply.stopped", true);
  }
  // What was held back would be held back again.
  if (finishReason === "content_filter") return say(isEmpty ? "reply.filtered.empty" : "reply.filtered", false);
  // A reply without a text has failed, also where the model itself has ended it.
  const isModelsEnd = status === "done" || (status === "failed" && finishReason !== null && finishReason !== "error");
  if (isEmpty && reasoning !== "" && isModelsEnd) {
    return say(finishReason === "length" ? "reply.thoughts.length" : "reply.thoughts", true);
  }
  if (!isModelsEnd) {
    return isEmpty ? say("reply.failed", false, true) : say("reply.interrupted", true, true);
  }
  if (isEmpty) return say(finishReason?.endsWith("tool_calls") ? "reply.tools" : "reply.empty", false);
  return finishReason === "length" ? say("reply.length", true) : null;
}

/** A sentence that may stand before another one. */
export function withFullStop(sentence: string): string {
  if (/[.!?。！？…]$/.test(sentence)) return sentence;
  return sentence + (/\p{Script=Han}/u.test(sentence) ? "。" : ".");
}
