import { INSTANCE } from "../browser/instance.ts";
import { locks, whenLeft } from "../browser/tabs.ts";

/**
 * How many replies the tabs of one browser follow at once. On HTTP/1.1 it has six connections to a server: one of them
 * brings the changes, and a page has to load and to send as well.
 */
const PLACES = 3;

/** Takes one of them: what gives it back, or null where all are taken. Where tabs cannot agree, each may have one. */
export async function takeStreamPlace(): Promise<(() => void) | null> {
  const shared = locks();
  if (shared === undefined) return () => {};
  for (let place = 0; place < PLACES; place += 1) {
    const leave = await new Promise<(() => void) | null>((take) => {
      void shared.request(`${INSTANCE}-${place}`, { ifAvailable: true }, (lock) =>
        lock === null ? take(null) : new Promise<void>((leave) => take(leave)),
      );
    });
    // A page that is left loses its stream: until it is shown again, others may have the place.
    if (leave !== null) return whenLeft(leave);
  }
  return null;
}
