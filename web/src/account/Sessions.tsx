import { endSession, sessions } from "../api/auth.ts";
import { api } from "../session/client.ts";
import { t } from "../session/language.ts";
import { day, useList } from "./list.ts";
import { Part } from "./Part.tsx";

/** Where the reader is logged in; each but this one can be ended. */
export function Sessions() {
  const list = useList(async () => (await sessions(api)).sessions);
  return (
    <Part title={t("account.sessions")} list={list}>
      <ul>
        {list.rows?.map(({ id, agent, address, seen_at, current }) => (
          <li key={id}>
            <span class="account-name">
              {agent || address}
              <small class="muted">{current ? t("account.here") : t("account.seen", { when: day(seen_at) })}</small>
            </span>
            {!current && (
              <button type="button" class="button small" onClick={() => void list.change(() => endSession(api, id))}>
                {t("account.end")}
              </button>
            )}
          </li>
        ))}
      </ul>
    </Part>
  );
}
