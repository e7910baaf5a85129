const LONGEST_WAIT_MS = 15_000;

/** The wait before attempt `attempt` (0 is the first repetition): doubling, half of it random, so that a room full of tabs does not return in step. */
export function backoffMs(attempt: number, firstMs: number, random: () => number = Math.random): number {
  const full = Math.min(LONGEST_WAIT_MS, firstMs * 2 ** attempt);
  return full / 2 + (full / 2) * random();
}

/** Waits, but no longer than until `signal` aborts or the browser says that the network is back. */
export function rest(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      globalThis.removeEventListener?.("online", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
    globalThis.addEventListener?.("online", done);
    if (signal?.aborted) done();
  });
}
