import { chordOf, TAKEN } from "../browser/chord.ts";
import { isComposing } from "../browser/composing.ts";
import { growing } from "../thread/growing.ts";
import { deferred, deferTo } from "../ui/lazy.tsx";

/** A key that was pressed longer ago is not what the reader wants now. */
const LATE_MS = 1_000;

deferTo(() => import("./deferred.ts"));

// Whoever touches the page is about to use it: then nothing has to be waited for.
for (const touch of ["pointerdown", "pointermove", "keydown"]) {
  addEventListener(touch, fetchAll, { once: true, passive: true });
}

function fetchAll(): void {
  for (const { fetch } of [growing, deferred]) fetch().catch(() => {});
}

addEventListener("keydown", (event) => {
  // What the browser would do with a shortcut cannot wait for the rest; the first press is not lost.
  if (!isComposing(event) && TAKEN.test(chordOf(event))) event.preventDefault();
  deferred.fetch().then(({ press }) => {
    if (performance.now() - event.timeStamp < LATE_MS) press(event);
  }, () => {});
});
