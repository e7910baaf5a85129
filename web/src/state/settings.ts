import { effect, signal } from "@preact/signals";

import type { Settings } from "../core/contract.ts";
import { listState } from "./conversations.ts";
import { keep, recall } from "./memory.ts";
import { api } from "./server.ts";

/** What the reader has chosen for good at the server, as this browser last heard it. */
export const settings = signal<Partial<Settings>>(JSON.parse(recall("settings") ?? "{}"));

export function takeSettings(found: Settings): void {
  settings.value = found;
  keep("settings", JSON.stringify(found));
}

// Not before the list has come: the first answer says who is asking, in a cookie, and there must not be two of them.
effect(() => {
  if (listState.value === "ready") api.json<Settings>("GET", "/api/settings").then(takeSettings, () => {});
});
