import { groups, putGroup, removeGroup } from "../api/admin.ts";
import type { GroupBody } from "../api/schema.ts";
import { useList } from "../account/list.ts";
import { Part } from "../account/Part.tsx";
import { api } from "../session/client.ts";
import { t } from "../session/language.ts";
import { GroupForm } from "./GroupForm.tsx";

/** The groups with what their people may do, and the form for one more. */
export function Groups() {
  const list = useList(async () => (await groups(api)).groups);
  const add = (body: GroupBody, form: HTMLFormElement) =>
    list.change(async () => {
      await putGroup(api, String(new FormData(form).get("name")), body);
      form.reset();
    });
  return (
    <Part title={t("admin.groups")} list={list}>
      <p class="muted">{t("admin.groups.about")}</p>
      <ul>
        {list.rows?.map(({ name, ...group }) => (
          <li key={name}>
            <details>
              <summary>{name}</summary>
              <GroupForm group={group} onSave={(body) => void list.change(() => putGroup(api, name, body))}>
                <button type="button" class="button small danger" onClick={() => void list.change(() => removeGroup(api, name))}>
                  {t("admin.group.remove")}
                </button>
              </GroupForm>
            </details>
          </li>
        ))}
      </ul>
      <details>
        <summary>{t("admin.group.add")}</summary>
        <GroupForm onSave={(body, form) => void add(body, form)} />
      </details>
    </Part>
  );
}
