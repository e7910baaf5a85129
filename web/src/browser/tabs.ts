/** What lets the tabs of one browser agree; missing on plain http outside this machine. */
export function locks(): LockManager | undefined {
  return navigator.locks as LockManager | undefined;
}

/**
 * Does `work` while this page is one that a reader can be at: now, and anew when they come back to it. A page that the
 * browser keeps for the way back does nothing, and what it holds would be held from all others.
 *
 * @param work is told by the signal that the page is left.
 */
export function whileShown(work: (signal: AbortSignal) => void): void {
  let shown = new AbortController();
  addEventListener("pagehide", () => shown.abort());
  addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    shown = new AbortController();
    work(shown.signal);
  });
  work(shown.signal);
}

/** Calls `lead` once no other tab does so under `name`. It leads until `signal` aborts. */
export function takeLead(name: string, signal: AbortSignal, lead: () => void): void {
  const led = () =>
    new Promise<void>((leave) => {
      // Between the browser's word and this call the page may have been left.
      if (signal.aborted) return leave();
      signal.addEventListener("abort", () => leave());
      lead();
    });
  // Who is left before their turn comes waits no longer.
  locks()?.request(name, { signal }, led).catch(() => {});
}

/** Calls `act` when this page is left, if what is returned has not done so before. */
export function whenLeft(act: () => void): () => void {
  const once = () => {
    globalThis.removeEventListener?.("pagehide", once);
    act();
  };
  globalThis.addEventListener?.("pagehide", once);
  return once;
}

/** Holds `name` until what is returned is called, or this page is left. */
export function hold(name: string): () => void {
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  void locks()?.request(name, () => held);
  return whenLeft(letGo);
}

/** Calls `act` once no tab holds `name`; at once where tabs cannot tell. */
export function whenFree(name: string, act: () => void): void {
  const shared = locks();
  if (shared === undefined) act();
  else void shared.request(name, act);
}
