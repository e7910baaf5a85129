// @vitest-environment jsdom
import { locks } from "node:worker_threads";
import { expect, test, vi } from "vitest";

import { hold, takeLead, whenFree, whileShown } from "../src/browser/tabs.ts";

vi.stubGlobal("navigator", { locks });

const leave = () => dispatchEvent(new Event("pagehide"));
const comeBack = () => dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));

test("one leads until it is left, and who was left before its turn never does", async () => {
  const [first, second, third] = [new AbortController(), new AbortController(), new AbortController()];
  const led: string[] = [];
  takeLead("lead", first.signal, () => led.push("first"));
  takeLead("lead", second.signal, () => led.push("second"));
  takeLead("lead", third.signal, () => led.push("third"));
  await vi.waitFor(() => expect(led).toEqual(["first"]));
  second.abort();
  first.abort();
  await vi.waitFor(() => expect(led).toEqual(["first", "third"]));
  third.abort();
});

test("work ends with the page, and begins anew when a reader comes back to it", () => {
  const signals: AbortSignal[] = [];
  whileShown((signal) => signals.push(signal));
  dispatchEvent(new Event("pageshow"));
  expect(signals).toHaveLength(1);
  leave();
  expect(signals[0]?.aborted).toBe(true);
  comeBack();
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
});

test("what a page holds is free once it is left", async () => {
  const free = vi.fn();
  hold("held");
  whenFree("held", free);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(free).not.toHaveBeenCalled();
  leave();
  await vi.waitFor(() => expect(free).toHaveBeenCalled());
});
