import { useState } from "preact/hooks";

import { addUser, changeUser, makeLink, users } from "../api/admin.ts";
import type { UserOut } from "../api/schema.ts";
import { who } from "../account/account.ts";
import { useList } from "../account/list.ts";
import { Part } from "../account/Part.tsx";
import { ShownOnce } from "../account/ShownOnce.tsx";
import { api } from "../session/client.ts";
import { t } from "../session/language.ts";
import { useGroupNames } from "./groupNames.ts";
import { linkAddress } from "./issued.ts";
import { Person } from "./Person.tsx";
import { PersonDelete } from "./PersonDelete.tsx";
import { Standing, standingIn } from "./Standing.tsx";

/** Everybody who has an account, and the form for one more. */
export function People() {
  const list = useList(async () => (await users(api)).users);
  const groups = useGroupNames();
  const [issued, setIssued] = useState<{ readonly name: string; readonly link: string } | null>(null);
  const [leaving, setLeaving] = useState<UserOut | null>(null);
  const issue = (name: string, making: () => Promise<string>, onMade = () => {}) =>
    list.change(async () => {
      setIssued({ name, link: await making() });
      onMade();
    });
  const act = (work: () => Promise<unknown>) => {
    // It may be no good afterwards.
    setIssued(null);
    return list.change(work);
  };
  const add = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const name = String(new FormData(form).get("name"));
    void issue(name, () => addUser(api, { name, ...standingIn(form) }), () => form.reset());
  };
  return (
    <Part title={t("admin.people")} list={list}>
      {issued !== null && <ShownOnce label={t("admin.link.once", { name: issued.name })} text={linkAddress(issued.link)} />}
      <ul>
        {list.rows?.map((person) => (
          <li key={person.name}>
            <Person
              person={person}
              groups={groups}
              isReader={person.name === who.value?.name}
              onChange={(change) => act(() => changeUser(api, person.name, change))}
              onLink={() => void issue(person.name, () => makeLink(api, person.name))}
              onDelete={() => setLeaving(person)}
            />
          </li>
        ))}
      </ul>
      <details>
        <summary>{t("admin.add")}</summary>
        <form class="account-new" onSubmit={add}>
          <label class="field">
            <span>{t("admin.name")}</span>
            <input type="text" name="name" maxLength={64} autocomplete="off" autocapitalize="none" spellcheck={false} required />
          </label>
          <Standing groups={groups} />
          <button type="submit" class="button">
            {t("admin.add.make")}
          </button>
        </form>
      </details>
      {leaving !== null && (
        <PersonDelete name={leaving.name} onDelete={act} onClose={() => setLeaving(null)} />
      )}
    </Part>
  );
}
