/** What lets the tabs of one browser agree; missing on plain http outside this machine. */
export function locks(): LockManager | undefined {
  return navigator.locks as LockManager | undefined;
}

/** Holds `name` until what is returned is called, or this tab is gone. */
export function hold(name: string): () => void {
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  void locks()?.request(name, () => held);
  return letGo;
}

/** Calls `act` once no tab holds `name`; at once where tabs cannot tell. */
export function whenFree(name: string, act: () => void): void {
  const shared = locks();
  if (shared === undefined) act();
  else void shared.request(name, act);
}
