import { signal } from "@preact/signals";

/** What stands in the search of the side list. */
export const query = signal("");
