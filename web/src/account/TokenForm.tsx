import { useState } from "preact/hooks";

import type { TokenBody } from "../api/schema.ts";
import { t } from "../session/language.ts";
import { who } from "./account.ts";

type Scope = TokenBody["scopes"][number];

const SCOPES = ["chat", "read", "admin"] as const;
/** How many days a token may last; the server knows tokens that last forever as well. */
const DAYS = [30, 90, 365] as const;
const USUAL_DAYS = 90;

interface TokenFormProps {
  /** `onMade` is called where the server has made it. */
  readonly onMake: (body: TokenBody, onMade: () => void) => void;
}

/** What a new token is called, what it may do, and for how long. */
export function TokenForm({ onMake }: TokenFormProps) {
  const [scopes, setScopes] = useState<readonly Scope[]>(["chat"]);
  const offered = who.value?.role === "admin" ? SCOPES : SCOPES.slice(0, 2);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const fields = new FormData(form);
    const days = Number(fields.get("days")) || null;
    onMake({ name: String(fields.get("name")), scopes, days }, () => form.reset());
  };
  const toggle = (scope: Scope) => setScopes(scopes.includes(scope) ? scopes.filter((one) => one !== scope) : [...scopes, scope]);
  return (
    <form class="account-new" onSubmit={submit}>
      <label class="field">
        <span>{t("account.token.name")}</span>
        <input type="text" name="name" maxLength={200} autocomplete="off" required />
      </label>
      <fieldset>
        <legend class="muted">{t("account.token.scope")}</legend>
        {offered.map((scope) => (
          <label key={scope} class="check">
            {/* The browser itself says that one of them has to be chosen. */}
            <input type="checkbox" checked={scopes.includes(scope)} required={scopes.length === 0} onChange={() => toggle(scope)} />
            {t(`account.scope.${scope}`)}
          </label>
        ))}
      </fieldset>
      <label class="field">
        <span>{t("account.token.days")}</span>
        <select name="days">
          {DAYS.map((days) => (
            <option key={days} value={days} selected={days === USUAL_DAYS}>
              {t("account.days", { n: days })}
            </option>
          ))}
          <option value="">{t("account.days.ever")}</option>
        </select>
      </label>
      <button type="submit" class="button">
        {t("account.token.make")}
      </button>
    </form>
  );
}
