import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

import { chordOf, TAKEN } from "../core/chord.ts";
import { Unreachable } from "../core/problem.ts";
import { whenTextIsMissing } from "../state/language.ts";
import { report } from "../state/status.ts";
import { isComposing } from "./composing.ts";

type Parts = typeof import("./later.ts");

const parts = signal<Parts | null>(null);

/** Fetches what the page does not need to stand: dialogs, editor, search, shortcuts. */
export async function fetchLater(): Promise<Parts> {
  parts.value ??= await import("./later.ts");
  return parts.value;
}

interface LaterProps {
  readonly children: (parts: Parts) => ComponentChildren;
  /** What stands in its place until it is there. */
  readonly meanwhile?: ComponentChildren;
}

/** Draws what is fetched when it is first needed. */
export function Later({ children, meanwhile = null }: LaterProps) {
  useEffect(() => {
    fetchLater().catch((error: unknown) => report(new Unreachable(error)));
  }, []);
  return <>{parts.value === null ? meanwhile : children(parts.value)}</>;
}

whenTextIsMissing(() => void fetchLater().catch(() => {}));

// Whoever touches the page is about to use it: then nothing has to be waited for.
for (const sign of ["pointerdown", "pointermove"]) {
  addEventListener(sign, () => void fetchLater().catch(() => {}), { once: true, passive: true });
}

addEventListener("keydown", (event) => {
  // What the browser would do with a shortcut cannot wait for the rest; the first press is not lost.
  if (!isComposing(event) && TAKEN.test(chordOf(event))) event.preventDefault();
  fetchLater().then(({ press }) => press(event), () => {});
});
