import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import type { ContextEntry, TurnAccount } from "../api/contract.ts";
import { isDeferredKey } from "../i18n/deferred.ts";
import { turnAccount } from "../api/conversations.ts";
import { t } from "../session/language.ts";
import { api } from "../session/client.ts";
import { messages } from "./thread.ts";
import { conversation } from "../session/conversations.ts";

/** Enough to recognise a message by. */
const EXCERPT_CHARACTERS = 80;

/** What the model was shown for one reply: which messages went in, which did not and why, and what they cost. */
export function ContextReport({ turnId }: { turnId: string }) {
  const [account, setAccount] = useState<TurnAccount | null>(null);
  const [hasFailed, setHasFailed] = useState(false);
  useEffect(() => {
    const id = conversation.peek()?.id;
    if (id === undefined) return;
    turnAccount(api, id, turnId).then(setAccount, () => setHasFailed(true));
  }, [turnId]);

  // All of it into sight where it fits, else its beginning.
  const shown = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => shown.current?.scrollIntoView({ block: "nearest" }), [account]);

  if (hasFailed || (account !== null && account.context === null)) return <p class="sent note">{t("sent.failed")}</p>;
  if (account === null || account.context === null) return <p class="sent note">{t("sent.loading")}</p>;
  const { budget_tokens, used_tokens, older_left_out, messages: rows } = account.context;
  const included = rows.filter((row) => row.included).length;
  const left = rows.length - included + older_left_out;
  const cached = account.usage?.cached_tokens ?? 0;
  return (
    <div class="sent" ref={shown}>
      <p class="sent-sum">
        <span>{t("sent.counts", { included, left })}</span>
        <span>{t("sent.tokens", { used: used_tokens, budget: budget_tokens })}</span>
        {cached > 0 && <span>{t("sent.cached", { n: cached })}</span>}
      </p>
      <meter min={0} max={budget_tokens} value={used_tokens} aria-label={t("sent.tokens", { used: used_tokens, budget: budget_tokens })} />
      <ol>
        {rows.map((row) => (
          <SentRow key={row.id} row={row} />
        ))}
      </ol>
      {older_left_out > 0 && <p class="muted">{t("sent.older", { n: older_left_out })}</p>}
    </div>
  );
}

function SentRow({ row }: { row: ContextEntry }) {
  const reason = `reason.${row.reason}`;
  return (
    <li class={row.included ? "sent-row" : "sent-row left"}>
      <span class="sent-mark">{t(row.included ? "sent.included" : "sent.left")}</span>
      <span class="sent-text">{excerpt(row)}</span>
      <span class="sent-why">
        {t("sent.row.tokens", { n: row.tokens })} · {isDeferredKey(reason) ? t(reason) : row.reason}
      </span>
    </li>
  );
}

function excerpt(row: ContextEntry): string {
  if (row.id === "persona") return t("sent.persona");
  if (row.id === "go_on") return t("sent.go_on");
  if (row.id === "opening") return t("sent.opening");
  const content = messages.value.find(({ id }) => id === row.id)?.content;
  if (content === undefined) return t("sent.removed");
  const characters = [...content.replace(/\s+/g, " ")];
  return characters.length <= EXCERPT_CHARACTERS ? characters.join("") : `${characters.slice(0, EXCERPT_CHARACTERS).join("")}…`;
}
