import { signal } from "@preact/signals";

/** What is open of the "More" menu: the menu, or one of the dialogs behind it. */
export const panel = signal<"menu" | "personas" | "usage" | "transfer" | "shortcuts" | "account" | "admin" | null>(null);
