import { describe, expect, test } from "vitest";

import { createSseParser } from "../src/stream/sse.ts";

const STREAM =
  "\uFEFFretry: 1500\n\n: still here\n\nid: t:1-0\nevent: turn\ndata: {\"a\":1}\n\n" +
  "id: t:1-1\r\ndata: first\r\ndata:second\r\n\r\ndata: 连话\r\rid\ndata: no id any more\n\nevent: lost\n\n";

const EVENTS = [
  { id: "t:1-0", event: "turn", data: '{"a":1}' },
  { id: "t:1-1", event: "message", data: "first\nsecond" },
  { id: "t:1-1", event: "message", data: "连话" },
  { id: "", event: "message", data: "no id any more" },
];

describe("the parser of event streams", () => {
  test.each([1, 2, 3, 7, 1000])("gives the same events from pieces of %i characters", (size) => {
    const parser = createSseParser();
    const events = [];
    for (let i = 0; i < STREAM.length; i += size) events.push(...parser.feed(STREAM.slice(i, i + size)));
    expect(events).toEqual(EVENTS);
    expect(parser.retryMs).toBe(1500);
  });

  test("keeps an event back until its empty line has come", () => {
    const parser = createSseParser();
    expect(parser.feed("data: x\n")).toEqual([]);
    expect(parser.feed("\n")).toEqual([{ id: "", event: "message", data: "x" }]);
  });

  test("ignores an id with a NUL and a retry that is no number", () => {
    const parser = createSseParser();
    expect(parser.feed("id: a\0b\nretry: soon\ndata: x\n\n")).toEqual([{ id: "", event: "message", data: "x" }]);
    expect(parser.retryMs).toBeNull();
  });
});
