import { endSession, sessions } from "../api/auth.ts";
import { api } from "../session/client.ts";
import { t } from "../session/language.ts";
import { day, useList } from "./list.ts";

/** Where the reader is logged in; each but this one can be ended. */
export function Sessions() {
  const { rows, trouble, change } = useList(async () => (await sessions(api)).sessions);
  return (
    <section class="account-part" aria-busy={rows === null}>
      <h3>{t("account.sessions")}</h3>
      {trouble && <p class="dialog-trouble" role="alert">{t("account.failed")}</p>}
      <ul>
        {rows?.map(({ id, agent, address, seen_at, current }) => (
          <li key={id}>
            <span class="account-name">
              {agent || address}
              <small class="muted">{current ? t("account.here") : t("account.seen", { when: day(seen_at) })}</small>
            </span>
            {!current && (
              <button type="button" class="button small" onClick={() => change(endSession(api, id))}>
                {t("account.end")}
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
