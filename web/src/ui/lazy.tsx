import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

import { chordOf, TAKEN } from "../browser/chord.ts";
import { t, whenTextIsMissing } from "../session/language.ts";
import { trouble } from "../session/status.ts";
import { isComposing } from "../browser/composing.ts";
import { fetchMarkdown } from "../thread/markdownParts.ts";

/** A key that was pressed longer ago is not what the reader wants now. */
const LATE_MS = 1_000;

type Parts = typeof import("../app/later.ts");

const parts = signal<Parts | null>(null);

/** Fetches what the page does not need to stand: dialogs, editor, search, shortcuts. */
export async function fetchLater(): Promise<Parts> {
  parts.value ??= await import("../app/later.ts");
  return parts.value;
}

/** Says that a part of the page could not be fetched: no connection, or the server has another page by now. */
export function tellMissing(): void {
  trouble.value = t("trouble.part");
}

interface LaterProps {
  readonly children: (parts: Parts) => ComponentChildren;
  /** What stands in its place until it is there. */
  readonly meanwhile?: ComponentChildren;
  /** Called where it could not be fetched: what was to be opened is closed again, and can be tried once more. */
  readonly onMissing?: () => void;
}

/** Draws what is fetched when it is first needed. */
export function Later({ children, meanwhile = null, onMissing }: LaterProps) {
  useEffect(() => {
    fetchLater().catch(() => {
      tellMissing();
      onMissing?.();
    });
  }, []);
  return <>{parts.value === null ? meanwhile : children(parts.value)}</>;
}

whenTextIsMissing(() => void fetchLater().catch(() => {}));

// Whoever touches the page is about to use it: then nothing has to be waited for.
for (const sign of ["pointerdown", "pointermove"]) {
  addEventListener(sign, fetchAll, { once: true, passive: true });
}

addEventListener("keydown", fetchAll, { once: true });

function fetchAll(): void {
  fetchMarkdown();
  void fetchLater().catch(() => {});
}

addEventListener("keydown", (event) => {
  // What the browser would do with a shortcut cannot wait for the rest; the first press is not lost.
  if (!isComposing(event) && TAKEN.test(chordOf(event))) event.preventDefault();
  fetchLater().then(({ press }) => {
    if (performance.now() - event.timeStamp < LATE_MS) press(event);
  }, () => {});
});
