import { useState } from "preact/hooks";

import { makeToken, revokeToken, tokens } from "../api/auth.ts";
import type { TokenBody, TokenOut } from "../api/schema.ts";
import { api } from "../session/client.ts";
import { t } from "../session/language.ts";
import { day, useList } from "./list.ts";
import { Part } from "./Part.tsx";
import { ShownOnce } from "./ShownOnce.tsx";
import { TokenForm } from "./TokenForm.tsx";

/** The reader's API tokens. A new one is shown once. */
export function Tokens() {
  const list = useList(async () => (await tokens(api)).tokens);
  const [made, setMade] = useState("");
  const make = (body: TokenBody, onMade: () => void) =>
    list.change(async () => {
      setMade((await makeToken(api, body)).token);
      onMade();
    });
  const revoke = (id: string) =>
    list.change(async () => {
      await revokeToken(api, id);
      setMade("");
    });
  return (
    <Part title={t("account.tokens")} list={list}>
      <ul>
        {list.rows?.map((token) => (
          <li key={token.id}>
            <span class="account-name">
              {token.name}
              <small class="muted">{about(token)}</small>
            </span>
            <button type="button" class="button small" onClick={() => void revoke(token.id)}>
              {t("account.revoke")}
            </button>
          </li>
        ))}
      </ul>
      {made !== "" && <ShownOnce label={t("account.once")} text={made} />}
      <TokenForm onMake={make} />
    </Part>
  );
}

function about({ scopes, expires_at, last_used_at }: TokenOut): string {
  const expiry = expires_at === null ? t("account.token.lasts") : t("account.token.until", { when: day(expires_at) });
  const use = last_used_at === null ? t("account.unused") : t("account.seen", { when: day(last_used_at) });
  return [scopes.join(", "), expiry, use].join(" · ");
}
