import { signal } from "@preact/signals";

import type { Settings } from "../api/contract.ts";
import { keep, recall } from "../browser/storage.ts";

/** What the reader has chosen for good at the server, as this browser last heard it. */
export const settings = signal<Partial<Settings>>(JSON.parse(recall("settings") ?? "{}"));

export function takeSettings(found: Settings): void {
  settings.value = found;
  keep("settings", JSON.stringify(found));
}
