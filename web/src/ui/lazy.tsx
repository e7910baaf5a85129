import { type ReadonlySignal, signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

import { t, whenTextIsMissing } from "../session/language.ts";
import { trouble } from "../session/status.ts";

/** A part of the page that is fetched when it is first needed. */
export interface Lazy<Part> {
  /** Null until it is there. */
  readonly part: ReadonlySignal<Part | null>;
  /** Rejects where it could not be fetched: no connection, or the server has another page by now. */
  readonly fetch: () => Promise<Part>;
}

export function lazy<Part>(load: () => Promise<Part>): Lazy<Part> {
  const part = signal<Part | null>(null);
  return { part, fetch: async () => (part.value ??= await load()) };
}

/** What is fetched as one file at the first key or touch; each feature declares its part of it beside its exports. */
export interface Deferred {}

let loadDeferred: () => Promise<Deferred>;

/** The composition root says where it is. */
export function deferTo(load: typeof loadDeferred): void {
  loadDeferred = load;
}

export const deferred = lazy(() => loadDeferred());

whenTextIsMissing(() => void deferred.fetch().catch(() => {}));

/** Says that a part of the page could not be fetched. */
export function reportMissing(): void {
  trouble.value = t("trouble.part");
}

interface DeferredViewProps {
  readonly children: (part: Deferred) => ComponentChildren;
  /** What is drawn in its place until it is there. */
  readonly meanwhile?: ComponentChildren;
  /** Called where it could not be fetched: what was to be opened is closed again, and can be tried once more. */
  readonly onMissing?: () => void;
}

/** Draws what is deferred, and fetches it. */
export function DeferredView({ children, meanwhile = null, onMissing }: DeferredViewProps) {
  useEffect(() => {
    deferred.fetch().catch(() => {
      reportMissing();
      onMissing?.();
    });
  }, []);
  return <>{deferred.part.value === null ? meanwhile : children(deferred.part.value)}</>;
}
