import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ANYTHING, followChanges, type News } from "../src/stream/changes.ts";

/** A connection as the page sees it; the test plays the server. */
class Source extends EventTarget {
  static readonly CLOSED = 2;
  static opened: Source[] = [];
  readyState = 1;
  onerror: (() => void) | null = null;

  constructor(readonly url: string) {
    super();
    Source.opened.push(this);
  }

  close(): void {
    this.readyState = Source.CLOSED;
  }

  says(name: string, data: object, lastEventId: string): void {
    this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data), lastEventId }));
  }

  fails(): void {
    this.readyState = Source.CLOSED;
    this.onerror?.();
  }
}

const latest = () => Source.opened.at(-1) as Source;
const follow = () => {
  const told: News[] = [];
  followChanges((news) => told.push(news), new AbortController().signal, Source as unknown as typeof EventSource);
  return told;
};

beforeEach(() => {
  vi.useFakeTimers();
  Source.opened = [];
});
afterEach(() => vi.useRealTimers());

describe("followChanges", () => {
  test("tells what happens, and nothing of what only says that the line lives", () => {
    const told = follow();
    latest().says("alive", {}, "1-0");
    latest().says("conversation", { conversation_id: "a", change: "created" }, "2-0");
    latest().says("turn", { conversation_id: "a", change: "started" }, "3-0");
    expect(told).toEqual([
      { id: "a", isTurn: false },
      { id: "a", isTurn: true },
    ]);
  });

  test("keeps a line that says now and then that it lives", () => {
    follow();
    for (let number = 0; number < 20; number += 1) {
      vi.advanceTimersByTime(15_000);
      latest().says("alive", {}, "1-0");
    }
    expect(Source.opened).toHaveLength(1);
  });

  test("gives a line up that has gone deaf, and goes on after what it has heard", () => {
    const told = follow();
    latest().says("alive", {}, "7-0");
    vi.advanceTimersByTime(40_001);
    expect(Source.opened.map(({ url, readyState }) => [url, readyState])).toEqual([
      ["api/events", Source.CLOSED],
      ["api/events?after=7-0", 1],
    ]);
    latest().says("conversation", { conversation_id: "b", change: "created" }, "8-0");
    vi.advanceTimersByTime(40_001);
    expect(latest().url).toBe("api/events?after=8-0");
    expect(told).toEqual([{ id: "b", isTurn: false }]);
  });

  test("comes back after a refusal, which lets others ask why, and has missed everything where it never heard a word", () => {
    const told = follow();
    latest().fails();
    expect(told).toEqual([ANYTHING]);
    vi.advanceTimersByTime(14_000);
    expect(Source.opened).toHaveLength(1);
    vi.advanceTimersByTime(1_001);
    expect(latest().url).toBe("api/events");
    expect(told).toEqual([ANYTHING, ANYTHING]);
    latest().says("alive", {}, "9-0");
    latest().fails();
    expect(told).toHaveLength(3);
    vi.advanceTimersByTime(15_001);
    expect(latest().url).toBe("api/events?after=9-0");
    expect(told).toHaveLength(3);
  });

  test("has one line at a time", () => {
    follow();
    for (let number = 0; number < 5; number += 1) {
      latest().fails();
      vi.advanceTimersByTime(100_000);
    }
    expect(Source.opened.filter(({ readyState }) => readyState !== Source.CLOSED)).toHaveLength(1);
  });
});
