import { computed, signal } from "@preact/signals";

import type { Role, Roles } from "../core/contract.ts";
import { keep, recall } from "./memory.ts";
import { api } from "./server.ts";

const known = signal<Roles | null>(null);
/** The persona for a new conversation, where the reader chose one. */
const chosen = signal(recall("role"));

export const roles = computed<[string, Role][]>(() => Object.entries(known.value?.roles ?? {}));

export function roleForNew(): string {
  const id = chosen.value;
  const isKnown = id !== null && known.value?.roles[id] !== undefined;
  return isKnown ? id : (known.value?.default_role ?? "assistant");
}

export function roleCalled(id: string): Role | null {
  return known.value?.roles[id] ?? null;
}

export function chooseRole(id: string): void {
  chosen.value = id;
  keep("role", id);
}

export async function loadRoles(): Promise<void> {
  try {
    known.value = await api.roles();
  } catch {
    // The page works without names and icons; the next load asks again.
  }
}
