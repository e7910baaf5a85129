import { useEffect } from "preact/hooks";

import type { Spent, UsageReport } from "../api/contract.ts";
import { budgetFigures, type DaySum, daySums, estimated, money } from "./figures.ts";
import { languageTag, t } from "../session/language.ts";
import { loadUsage, SPANS, usage } from "./usage.ts";
import { PanelDialog } from "../ui/PanelDialog.tsx";
import "./texts.ts";

/** What the reader's turns have used, by day. */
export function UsageDialog() {
  const { span, state, report } = usage.value;
  useEffect(() => void loadUsage(usage.peek().span), []);
  return (
    <PanelDialog title={t("more.usage")}>
      <div class="usage-spans" role="group" aria-label={t("usage.span")}>
        {SPANS.map((days) => (
          <button key={days} type="button" class="button small" aria-pressed={days === span} onClick={() => void loadUsage(days)}>
            {t(`usage.span.${days}`)}
          </button>
        ))}
      </div>
      <div class="usage" aria-busy={state === "loading"} aria-live="polite">
        {report !== null && report.budgets.length > 0 && <Budgets report={report} />}
        {state === "failed" ? (
          <p class="dialog-trouble">{t("usage.failed")}</p>
        ) : report === null ? (
          <p class="muted">{t("usage.loading")}</p>
        ) : (
          <Report report={report} />
        )}
      </div>
    </PanelDialog>
  );
}

/** What is left of the reader's budgets, which stand as they are now whatever span is shown. */
function Budgets({ report }: { report: UsageReport }) {
  return (
    <ul class="usage-budgets">
      {report.budgets.map((budget) => (
        <li key={`${budget.unit} ${budget.period}`}>
          <strong>{t(`usage.budget.${budget.unit}.${budget.period}`, budgetFigures(budget, report.currency, languageTag()))}</strong>{" "}
          <span class="muted">{t("usage.budget.resets", { when: new Date(budget.resets_at * 1000).toLocaleString(languageTag()) })}</span>
        </li>
      ))}
    </ul>
  );
}

function Report({ report }: { report: UsageReport }) {
  const { total } = report;
  const days = daySums(report);
  if (days.length === 0) return <p class="muted">{t("usage.nothing")}</p>;
  const isPriced = total.cost !== null;
  return (
    <>
      {/* Scrolled by keyboard as well, where figures are wider than a phone. */}
      <div class="usage-scroll" role="region" aria-label={t("more.usage")} tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t("usage.day")}</th>
              <th scope="col">{t("usage.turns")}</th>
              <th scope="col">{t("usage.in")}</th>
              <th scope="col">{t("usage.out")}</th>
              {isPriced && <th scope="col">{t("usage.cost", { currency: report.currency })}</th>}
            </tr>
          </thead>
          <tbody>
            {days.map((day) => (
              <Row key={day.date} name={dayName(day)} spent={day} isPriced={isPriced} />
            ))}
          </tbody>
          <tfoot>
            <Row name={t("usage.total")} spent={total} isPriced={isPriced} />
          </tfoot>
        </table>
      </div>
      {total.estimated_tokens > 0 && (
        <p class="muted">{t("usage.estimated", { n: total.estimated_tokens.toLocaleString(languageTag()) })}</p>
      )}
      {isPriced && report.days.some(hasUnpriced) && <p class="muted">{t("usage.unpriced")}</p>}
      {new Date().getTimezoneOffset() !== 0 && <p class="muted">{t("usage.hours", { from: dayBegin() })}</p>}
    </>
  );
}

function Row({ name, spent, isPriced }: { name: string; spent: Spent; isPriced: boolean }) {
  const figure = (n: number) => n.toLocaleString(languageTag());
  const guess = estimated(spent);
  return (
    <tr>
      <th scope="row">
        {name}
        {guess !== "none" && <small>{t(`usage.${guess}`)}</small>}
      </th>
      <td>{figure(spent.turns)}</td>
      <td>{figure(spent.prompt_tokens)}</td>
      <td>{figure(spent.completion_tokens)}</td>
      {isPriced && <td>{spent.cost === null ? t("usage.cost.unknown") : money(spent.cost, languageTag())}</td>}
    </tr>
  );
}

function hasUnpriced({ models }: UsageReport["days"][number]): boolean {
  return models.some(({ cost }) => cost === null);
}

function dayName({ date }: DaySum): string {
  return new Date(date).toLocaleDateString(languageTag(), { timeZone: "UTC", month: "short", day: "numeric" });
}

/** The time of day at which a day of the server's begins where the reader is. */
function dayBegin(): string {
  const today = new Date().toISOString().slice(0, 10);
  return new Date(today).toLocaleTimeString(languageTag(), { hour: "2-digit", minute: "2-digit" });
}
