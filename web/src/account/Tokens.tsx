import { useState } from "preact/hooks";

import { makeToken, revokeToken, tokens } from "../api/auth.ts";
import { api } from "../session/client.ts";
import { t } from "../session/language.ts";
import { day, useList } from "./list.ts";

const SCOPES = ["chat", "read"] as const;

/** The reader's API tokens. A new one is shown once. */
export function Tokens() {
  const { rows, trouble, change } = useList(async () => (await tokens(api)).tokens);
  const [made, setMade] = useState("");
  const make = (event: Event) => {
    event.preventDefault();
    if (!(event.target instanceof HTMLFormElement)) return;
    const form = event.target;
    const fields = new FormData(form);
    const making = makeToken(api, String(fields.get("name")), [String(fields.get("scope"))]);
    change(
      making.then(({ token }) => {
        setMade(token);
        form.reset();
      }),
    );
  };
  return (
    <section class="account-part" aria-busy={rows === null}>
      <h3>{t("account.tokens")}</h3>
      {trouble && <p class="dialog-trouble" role="alert">{t("account.failed")}</p>}
      <ul>
        {rows?.map(({ id, name, scopes, last_used_at }) => (
          <li key={id}>
            <span class="account-name">
              {name}
              <small class="muted">
                {scopes.join(", ")} · {last_used_at === null ? t("account.unused") : t("account.seen", { when: day(last_used_at) })}
              </small>
            </span>
            <button type="button" class="button small" onClick={() => change(revokeToken(api, id))}>
              {t("account.revoke")}
            </button>
          </li>
        ))}
      </ul>
      {made !== "" && (
        <label class="field">
          <span>{t("account.once")}</span>
          <input type="text" readOnly value={made} onFocus={(event) => event.currentTarget.select()} />
        </label>
      )}
      <form class="account-new" onSubmit={make}>
        <label class="field">
          <span>{t("account.token.name")}</span>
          <input type="text" name="name" maxLength={200} required />
        </label>
        <label class="field">
          <span>{t("account.token.scope")}</span>
          <select name="scope">
            {SCOPES.map((scope) => (
              <option key={scope} value={scope}>
                {t(`account.scope.${scope}`)}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" class="button">
          {t("account.token.make")}
        </button>
      </form>
    </section>
  );
}
