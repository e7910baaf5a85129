import { signal } from "@preact/signals";

import type { UsageReport } from "../api/contract.ts";
import { usage as ask } from "../api/transfer.ts";
import { daysTouched } from "./figures.ts";
import { api } from "../session/client.ts";

export const SPANS = [1, 7, 30] as const;

/** How many days back, today included. */
export type Span = (typeof SPANS)[number];

interface Usage {
  readonly span: Span;
  readonly state: "loading" | "ready" | "failed";
  /** What was read before stays until there is something newer. */
  readonly report: UsageReport | null;
}

export const usage = signal<Usage>({ span: 7, state: "loading", report: null });

/** In what costs are told; null until that is known. */
export const currency = signal<string | null>(null);

/** Reads what was used in a span of days; only the newest wish counts. */
export async function loadUsage(span: Span): Promise<void> {
  const wish: Usage = { ...usage.peek(), span, state: "loading" };
  usage.value = wish;
  const { from, to } = daysTouched(span, new Date());
  const report = await ask(api, from, to).catch(() => null);
  if (usage.peek() !== wish) return;
  usage.value = { span, state: report === null ? "failed" : "ready", report };
  currency.value = report?.currency ?? currency.peek();
}

/** Asks for the currency, where nobody has asked yet. */
export async function loadCurrency(): Promise<void> {
  if (currency.peek() !== null) return;
  const { from, to } = daysTouched(1, new Date());
  const report = await ask(api, from, to).catch(() => null);
  currency.value = report?.currency ?? null;
}
