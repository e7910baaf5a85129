import { useEffect } from "preact/hooks";

import { usageByUser } from "../api/admin.ts";
import type { UserUsageOut } from "../api/schema.ts";
import { useList } from "../account/list.ts";
import { Part } from "../account/Part.tsx";
import { api } from "../session/client.ts";
import { languageTag, t } from "../session/language.ts";
import { daysTouched, money } from "../usage/figures.ts";
import "../usage/texts.ts";
import { currency, loadCurrency } from "../usage/usage.ts";

const SPAN_DAYS = 30;

/** What each person's turns have used. */
export function UsageByPerson() {
  const list = useList(read);
  useEffect(() => void loadCurrency(), []);
  const isPriced = list.rows?.some(({ cost }) => cost !== null) ?? false;
  const figure = (n: number) => n.toLocaleString(languageTag());
  return (
    <Part title={t("admin.usage.title", { n: SPAN_DAYS })} list={list}>
      <div class="usage">
        {/* Scrolled by keyboard as well, where figures are wider than a phone. */}
        <div class="usage-scroll" role="region" aria-label={t("admin.usage")} tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">{t("admin.name")}</th>
                <th scope="col">{t("usage.turns")}</th>
                <th scope="col">{t("usage.in")}</th>
                <th scope="col">{t("usage.out")}</th>
                {isPriced && <th scope="col">{t("usage.cost", { currency: currency.value ?? "" })}</th>}
              </tr>
            </thead>
            <tbody>
              {list.rows?.map(({ name, turns, prompt_tokens, completion_tokens, cost }) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td>{figure(turns)}</td>
                  <td>{figure(prompt_tokens)}</td>
                  <td>{figure(completion_tokens)}</td>
                  {isPriced && <td>{cost === null ? t("usage.cost.unknown") : money(cost, languageTag())}</td>}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </div>
    </Part>
  );
}

async function read(): Promise<readonly UserUsageOut[]> {
  const { from, to } = daysTouched(SPAN_DAYS, new Date());
  return (await usageByUser(api, from, to)).users;
}
