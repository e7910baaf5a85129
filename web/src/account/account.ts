import { signal } from "@preact/signals";

import { me } from "../api/auth.ts";
import type { MeOut } from "../api/schema.ts";
import { api } from "../session/client.ts";

/** Who is logged in; null where nobody can be, or until that is known. */
export const who = signal<MeOut | null>(null);

export async function loadWho(): Promise<void> {
  who.value = await me(api).catch(() => null);
}
