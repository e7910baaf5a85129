import { describe, expect, test } from "vitest";

import { EMPTY_REPLY, foldTurn, isWhole, readTurnEvent, type TurnEnd, type TurnEvent } from "../src/stream/turn.ts";

const END: TurnEnd = { status: "done", finish_reason: "stop", length: 4, sha256: "00" };
const fold = (...events: TurnEvent[]) => events.reduce(foldTurn, EMPTY_REPLY);

describe("folding the events of a turn", () => {
  test("joins the pieces and keeps text and reasoning apart", () => {
    const reply = fold(
      { type: "reasoning", content: "hm" },
      { type: "piece", content: "你" },
      { type: "reasoning", content: "m" },
      { type: "piece", content: "好" },
    );
    expect([reply.content, reply.reasoning, reply.end]).toEqual(["你好", "hmm", null]);
  });

  test("a snapshot replaces everything and later pieces follow it", () => {
    const reply = fold(
      { type: "piece", content: "old" },
      { type: "snapshot", content: "new", reasoning: "why" },
      { type: "piece", content: "er" },
    );
    expect([reply.content, reply.reasoning]).toEqual(["newer", "why"]);
  });

  test("a notice stands until text arrives", () => {
    const waiting = fold({ type: "notice", code: "model_unavailable", message: "again in 2 s", retry_in_s: 2 });
    expect(waiting.notice?.message).toBe("again in 2 s");
    expect(foldTurn(waiting, { type: "piece", content: "x" }).notice).toBeNull();
  });

  test("a notice may name the model that is asked from now on", () => {
    const names = { turn_id: "t", session_id: "s", user_message_id: "u", reply_message_id: "r", model: "first" };
    const reply = fold({ type: "turn", ...names }, { type: "notice", code: "fallback", message: "m", model: "second" });
    expect(reply.names?.model).toBe("second");
    expect(foldTurn(reply, { type: "notice", code: "queued", message: "m" }).names?.model).toBe("second");
  });

  test("nothing changes after the end", () => {
    const ended = fold({ type: "piece", content: "a" }, { type: "end", ...END });
    expect(ended.end).toEqual(END);
    expect(foldTurn(ended, { type: "piece", content: "b" })).toBe(ended);
  });

  test("the length is counted in code points", () => {
    expect(isWhole("莲花🪷!", END)).toBe(true);
    expect(isWhole("莲花🪷", END)).toBe(false);
  });
});

describe("reading events", () => {
  test("an unnamed event is a piece", () => {
    expect(readTurnEvent({ id: "1", event: "message", data: '{"content":"x"}' })).toEqual({ type: "piece", content: "x" });
  });

  test("a name from a later server is passed over", () => {
    expect(readTurnEvent({ id: "1", event: "weather", data: "{}" })).toBeNull();
  });
});
