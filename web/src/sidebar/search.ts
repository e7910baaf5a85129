import { effect, signal } from "@preact/signals";

import type { FoundConversation } from "../api/contract.ts";
import { search as ask } from "../api/conversations.ts";
import { t } from "../session/language.ts";
import { query } from "./query.ts";
import { api } from "../session/client.ts";
import { announce } from "../session/status.ts";

/** Long enough that a word is typed on, short enough that nobody waits for it. */
const PAUSE_MS = 250;

interface Found {
  readonly state: "searching" | "ready" | "failed";
  /** What was found for the words before stays until there is something newer. */
  readonly rows: readonly FoundConversation[];
  readonly next: string | null;
}

const NOTHING: Found = { state: "searching", rows: [], next: null };

export const found = signal<Found>(NOTHING);

let search = new AbortController();

effect(() => {
  const wanted = query.value.trim();
  search.abort();
  search = new AbortController();
  const { signal } = search;
  found.value = wanted === "" ? NOTHING : { ...found.peek(), state: "searching" };
  if (wanted === "") return;
  const timer = setTimeout(() => void look(wanted, null, signal), PAUSE_MS);
  return () => clearTimeout(timer);
});

/** Searches again what could not be searched, or goes on where there may be more. */
export async function searchOn(): Promise<void> {
  const { next, state } = found.peek();
  found.value = { ...found.peek(), state: "searching" };
  await look(query.peek().trim(), state === "failed" ? null : next, search.signal);
}

async function look(wanted: string, from: string | null, signal: AbortSignal): Promise<void> {
  let rows = from === null ? [] : found.peek().rows;
  let next = from;
  const before = rows.length;
  try {
    // A page of a long list may be empty, and still have one after it.
    do {
      const page = await ask(api, wanted, next, signal);
      rows = [...rows, ...page.conversations];
      next = page.next;
    } while (rows.length === before && next !== null && !signal.aborted);
  } catch {
    if (!signal.aborted) {
      found.value = { ...found.peek(), state: "failed" };
      announce(t("search.failed"));
    }
    return;
  }
  if (signal.aborted) return;
  found.value = { state: "ready", rows, next };
  announce(rows.length === 0 ? t("search.nothing") : t("search.count", { n: rows.length }));
}
