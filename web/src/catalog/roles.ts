import { computed, signal } from "@preact/signals";

import type { Role, Roles } from "../api/contract.ts";
import { keep, recall } from "../browser/storage.ts";
import { api } from "../session/client.ts";
import { settings } from "../session/preferences.ts";
import { conversation } from "../session/conversations.ts";

const known = signal<Roles | null>(null);
/** The persona for a new conversation, where the reader chose one in this browser. */
const chosen = signal(recall("role"));

export const roles = computed<[string, Role][]>(() => Object.entries(known.value?.roles ?? {}));

/** The first of `ids` that is there; the server's default where none is, as the server itself has it. */
export function presentRole(...ids: readonly (string | null | undefined)[]): string {
  return ids.find((id) => id && roleCalled(id)) ?? known.value?.default_role ?? "assistant";
}

export function roleForNew(): string {
  return presentRole(chosen.value, settings.value.default_role);
}

/** Who answers in the conversation on the page. */
export function roleHere(): string {
  return conversation.value === null ? roleForNew() : presentRole(conversation.value.role);
}

export function roleCalled(id: string): Role | null {
  return known.value?.roles[id] ?? null;
}

/** Chooses for new conversations; "" leaves it to what is chosen for good. */
export function chooseRole(id: string): void {
  chosen.value = id;
  keep("role", id);
}

export function takeRoles(found: Roles): void {
  known.value = found;
}

export async function loadRoles(): Promise<void> {
  try {
    takeRoles(await api.roles());
  } catch {
    // The page works without names and icons; the next load asks again.
  }
}
