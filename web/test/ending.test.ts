import { expect, test } from "vitest";

import { type Ending, withFullStop, wordsFor } from "../src/thread/ending.ts";

const ending = (changes: Partial<Ending>): Ending => ({
  status: "done",
  finishReason: "stop",
  content: "text",
  reasoning: "",
  ...changes,
});

test.each<[string, Partial<Ending>, string | null, boolean]>([
  ["all was said", {}, null, false],
  ["a word that nobody knows", { finishReason: "eos_42" }, null, false],
  ["the length is used up", { finishReason: "length" }, "reply.length", true],
  ["and cut by the network as well", { finishReason: "length", status: "interrupted" }, "reply.interrupted", true],
  ["a filter after some text", { finishReason: "content_filter" }, "reply.filtered", false],
  ["a filter after some text, told as a cut", { finishReason: "content_filter", status: "interrupted" }, "reply.filtered", false],
  ["a filter before any", { finishReason: "content_filter", content: "" }, "reply.filtered.empty", false],
  ["the same, told as a failure", { finishReason: "content_filter", content: "", status: "failed" }, "reply.filtered.empty", false],
  ["empty", { content: " \n" }, "reply.empty", false],
  ["empty after thoughts", { content: "", reasoning: "hm" }, "reply.thoughts", true],
  ["thoughts used up the length", { content: "", reasoning: "hm", finishReason: "length" }, "reply.thoughts.length", true],
  ["the same, told as a failure", { content: "", reasoning: "hm", finishReason: "length", status: "failed" }, "reply.thoughts.length", true],
  ["a tool is wanted", { content: "", finishReason: "tool_calls" }, "reply.tools", false],
  ["stopped", { status: "stopped" }, "reply.stopped", true],
  ["stopped before it began", { status: "stopped", content: "" }, "reply.stopped.empty", false],
  ["cut off", { status: "interrupted" }, "reply.interrupted", true],
  ["failed", { status: "failed", content: "", finishReason: "error" }, "reply.failed", false],
  ["empty after thoughts, told as a failure", { content: "", reasoning: "hm", status: "failed" }, "reply.thoughts", true],
  ["a tool is wanted, told as a failure", { content: "", finishReason: "tool_calls", status: "failed" }, "reply.tools", false],
  ["failed after thoughts", { content: "", reasoning: "hm", finishReason: "error", status: "failed" }, "reply.failed", false],
])("%s", (_, changes, text, canContinue) => {
  const words = wordsFor(ending(changes));
  expect(words?.text ?? null).toBe(text);
  expect(words?.canContinue ?? false).toBe(canContinue);
});

test("only what went wrong has a cause", () => {
  expect(wordsFor(ending({ status: "failed", content: "", finishReason: "error" }))?.hasCause).toBe(true);
  expect(wordsFor(ending({ status: "stopped" }))?.hasCause).toBe(false);
});

test.each([
  ["The model's server has no model x; it has: y", "The model's server has no model x; it has: y."],
  ["模型服务的账户余额不足，请充值", "模型服务的账户余额不足，请充值。"],
  ["Is that so?", "Is that so?"],
])("%s is a whole sentence", (given, whole) => {
  expect(withFullStop(given)).toBe(whole);
});
