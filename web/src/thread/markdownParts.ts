import { signal } from "@preact/signals";

/** What renders replies: half of the page's weight, and an empty page has none. Null until it is there. */
export const markdownParts = signal<typeof import("../markdown/growing.ts") | null>(null);

let fetching: Promise<void> | null = null;

/** Fetches it; where that fails, replies stand as they are written until somebody asks again. */
export function fetchMarkdown(): void {
  fetching ??= import("../markdown/growing.ts").then(
    (parts) => {
      markdownParts.value = parts;
      setTimeout(parts.warmUp);
    },
    () => {
      fetching = null;
    },
  );
}
