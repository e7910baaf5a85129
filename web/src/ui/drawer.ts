import { signal } from "@preact/signals";

const narrow = matchMedia("(max-width: 859px)");

/** Whether the side list lies over the page instead of beside it; the same width as in layout.css. */
export const isNarrow = signal(narrow.matches);
export const isDrawerOpen = signal(false);

narrow.addEventListener("change", () => {
  isNarrow.value = narrow.matches;
  isDrawerOpen.value = false;
});
