import { expect, test } from "vitest";

import { backoffMs, rest } from "../src/api/backoff.ts";

test("the wait doubles, is half chance, and has an end", () => {
  const least = () => 0;
  const most = () => 1;
  expect([0, 1, 2, 20].map((attempt) => backoffMs(attempt, 1000, least))).toEqual([500, 1000, 2000, 7500]);
  expect([0, 1, 2, 20].map((attempt) => backoffMs(attempt, 1000, most))).toEqual([1000, 2000, 4000, 15000]);
});

test("a rest ends when it is no longer wanted", async () => {
  const leaving = new AbortController();
  const resting = rest(60_000, leaving.signal);
  leaving.abort();
  await resting;
  await rest(60_000, leaving.signal);
});
