import type { zh } from "./texts.zh.ts";

export const en: Readonly<Record<keyof typeof zh, string>> = {
  "usage.span": "Time",
  "usage.span.1": "Today",
  "usage.span.7": "7 days",
  "usage.span.30": "30 days",
  "usage.loading": "Reading…",
  "usage.failed": "The usage could not be read.",
  "usage.nothing": "Nothing was used in this time.",
  "usage.day": "Day",
  "usage.turns": "Turns",
  "usage.in": "Tokens in",
  "usage.out": "Tokens out",
  "usage.cost": "Cost ({currency})",
  "usage.cost.unknown": "no price",
  "usage.total": "Total",
  "usage.all": "estimated",
  "usage.partly": "partly estimated",
  "usage.estimated": "Tokens that are estimated: {n}. The model did not say, so the server counted them itself.",
  "usage.unpriced": "Models without a price add nothing to the cost.",
  "usage.hours": "The server counts days in UTC: a day here runs from {from} to {from} where you are.",
};
