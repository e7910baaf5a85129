import { useState } from "preact/hooks";

import { invites, makeInvite, revokeInvite } from "../api/admin.ts";
import { day, useList } from "../account/list.ts";
import { Part } from "../account/Part.tsx";
import { ShownOnce } from "../account/ShownOnce.tsx";
import { api } from "../session/client.ts";
import { t } from "../session/language.ts";
import { useGroupNames } from "./groupNames.ts";
import { linkAddress } from "./issued.ts";
import { Standing, standingIn } from "./Standing.tsx";

const DAYS = [1, 7, 30, 90] as const;
const USUAL_DAYS = 7;

/** The invites that nobody has accepted yet, and the form for one more. */
export function Invites() {
  const list = useList(async () => (await invites(api)).invites);
  const groups = useGroupNames();
  const [link, setLink] = useState("");
  const make = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const days = Number(new FormData(form).get("days"));
    void list.change(async () => setLink(await makeInvite(api, { ...standingIn(form), days })));
  };
  const revoke = (id: string) =>
    list.change(async () => {
      await revokeInvite(api, id);
      // It may have been the one that is shown.
      setLink("");
    });
  return (
    <Part title={t("admin.invites")} list={list}>
      <p class="muted">{t("admin.invites.about")}</p>
      <ul>
        {list.rows?.map(({ id, role, group, made_by, expires_at }) => (
          <li key={id}>
            <span class="account-name">
              {[t(`account.role.${role}`), group].filter((word) => word !== "").join(" · ")}
              <small class="muted">{t("admin.invite.line", { name: made_by, when: day(expires_at) })}</small>
            </span>
            <button type="button" class="button small" onClick={() => void revoke(id)}>
              {t("account.revoke")}
            </button>
          </li>
        ))}
      </ul>
      {link !== "" && <ShownOnce label={t("admin.invite.once")} text={linkAddress(link)} />}
      <form class="account-new" onSubmit={make}>
        <Standing groups={groups} />
        <label class="field">
          <span>{t("account.token.days")}</span>
          <select name="days">
            {DAYS.map((days) => (
              <option key={days} value={days} selected={days === USUAL_DAYS}>
                {t("account.days", { n: days })}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" class="button">
          {t("admin.invite.make")}
        </button>
      </form>
    </Part>
  );
}
