import { signal } from "@preact/signals";

import type { Preferences } from "../api/contract.ts";
import { keep, recall } from "../browser/storage.ts";

/** What the reader has chosen for good at the server, as this browser last heard it. */
export const settings = signal<Partial<Preferences>>(JSON.parse(recall("settings") ?? "{}"));

export function takeSettings(found: Preferences): void {
  settings.value = found;
  keep("settings", JSON.stringify(found));
}
