import type { Spent, UsageReport } from "../api/contract.ts";

type Budget = UsageReport["budgets"][number];

/** The UTC days that the reader's last `days` days touch, today included; `now` tells the reader's zone. */
export function daysTouched(days: number, now: Date): { readonly from: string; readonly to: string } {
  const begin = new Date(now.getFullYear(), now.getMonth(), now.getDate() - (days - 1));
  return { from: utcDay(begin), to: utcDay(now) };
}

function utcDay(time: Date): string {
  return time.toISOString().slice(0, 10);
}

/** What was used on one day, by whichever models. */
export interface DaySum extends Spent {
  readonly date: string;
}

/** The days of a report, the newest first. */
export function daySums({ days }: UsageReport): DaySum[] {
  return days.map(({ date, models }) => ({ date, ...models.reduce(plus, NOTHING) })).reverse();
}

const NOTHING: Spent = { turns: 0, prompt_tokens: 0, completion_tokens: 0, estimated_tokens: 0, cost: null };

/** A model without a price adds nothing to the cost. */
function plus(a: Spent, b: Spent): Spent {
  return {
    turns: a.turns + b.turns,
    prompt_tokens: a.prompt_tokens + b.prompt_tokens,
    completion_tokens: a.completion_tokens + b.completion_tokens,
    estimated_tokens: a.estimated_tokens + b.estimated_tokens,
    cost: a.cost === null && b.cost === null ? null : (a.cost ?? 0) + (b.cost ?? 0),
  };
}

/** How much of it the server counted itself. */
export function estimated({ prompt_tokens, completion_tokens, estimated_tokens }: Spent): "none" | "partly" | "all" {
  if (estimated_tokens === 0) return "none";
  return estimated_tokens < prompt_tokens + completion_tokens ? "partly" : "all";
}

/** A sum of money to four places, and never nothing for something. */
export function money(cost: number, language: string): string {
  const places = { minimumFractionDigits: 4, maximumFractionDigits: 4 };
  return cost > 0 && cost < 0.0001 ? `< ${(0.0001).toLocaleString(language, places)}` : cost.toLocaleString(language, places);
}

/** What is left of a budget and of how much, in the reader's figures. */
export function budgetFigures({ unit, left, amount }: Budget, currency: string, language: string): { readonly left: string; readonly amount: string } {
  const figure = (n: number) =>
    unit === "tokens" ? n.toLocaleString(language) : n.toLocaleString(language, { style: "currency", currency, maximumFractionDigits: 4 });
  return { left: figure(left), amount: figure(amount) };
}
