import { expect, test } from "vitest";

import { createFrames } from "../src/stream/frames.ts";

/** A clock with frames of 16 ms that stand still until they are told to pass. */
function createClock() {
  let now = 0;
  const frames: (() => void)[] = [];
  return {
    now: () => now,
    spend: (ms: number) => void (now += ms),
    frame: (callback: () => void) => frames.push(callback),
    cancel: () => void frames.splice(0),
    passFrames(count: number) {
      for (let i = 0; i < count; i += 1) {
        now += 16;
        for (const callback of frames.splice(0)) callback();
      }
    },
    waiting: () => frames.length,
  };
}

test("the first request is drawn at once and a burst behind it once", () => {
  const clock = createClock();
  let flushes = 0;
  const frames = createFrames(() => void (flushes += 1), clock);
  frames.request();
  expect(flushes).toBe(1);
  for (let i = 0; i < 50; i += 1) frames.request();
  expect(flushes).toBe(1);
  clock.passFrames(1);
  expect(flushes).toBe(2);
});

test("a dear flush is followed by a rest of three times its length", () => {
  const clock = createClock();
  let flushes = 0;
  const frames = createFrames(() => {
    flushes += 1;
    clock.spend(20);
  }, clock);
  frames.request();
  frames.request();
  clock.passFrames(3);
  expect(flushes).toBe(1);
  clock.passFrames(1);
  expect(flushes).toBe(2);
});

test("no frame is asked for while nothing is to be drawn", () => {
  const clock = createClock();
  const frames = createFrames(() => {}, clock);
  frames.request();
  clock.passFrames(2);
  expect(clock.waiting()).toBe(0);
});

test("cancelled means that nothing is drawn any more", () => {
  const clock = createClock();
  let flushes = 0;
  const frames = createFrames(() => void (flushes += 1), clock);
  frames.request();
  frames.request();
  frames.cancel();
  clock.passFrames(3);
  expect(flushes).toBe(1);
});
