import type { ComponentChildren } from "preact";

import type { GroupBody } from "../api/schema.ts";
import { t } from "../session/language.ts";
import { fieldsOf, groupOf } from "./group.ts";

const OPEN: GroupBody = { temporary_only: false };

interface GroupFormProps {
  /** Left out: a new one, which is given a name. */
  readonly group?: GroupBody;
  readonly onSave: (body: GroupBody, form: HTMLFormElement) => void;
  /** Buttons beside the one that saves. */
  readonly children?: ComponentChildren;
}

export function GroupForm({ group, onSave, children }: GroupFormProps) {
  const fields = fieldsOf(group ?? OPEN);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const written = new FormData(form);
    const text = (name: string) => String(written.get(name) ?? "");
    const [models, retention_days, retention_messages] = [text("models"), text("retention_days"), text("retention_messages")];
    onSave(groupOf({ models, retention_days, retention_messages, temporary_only: written.has("temporary_only") }), form);
  };
  return (
    <form class="account-new" onSubmit={submit}>
      {group === undefined && (
        <label class="field">
          <span>{t("admin.group.name")}</span>
          <input type="text" name="name" pattern="[a-z0-9][a-z0-9._\-]*" maxLength={64} autocomplete="off" autocapitalize="none" required />
        </label>
      )}
      <label class="field">
        <span>{t("admin.group.models")}</span>
        <input type="text" name="models" defaultValue={fields.models} autocomplete="off" autocapitalize="none" spellcheck={false} />
      </label>
      <div class="admin-pair">
        <label class="field">
          <span>{t("admin.group.days")}</span>
          <input type="number" name="retention_days" min={0} max={36_500} step="any" defaultValue={fields.retention_days} />
        </label>
        <label class="field">
          <span>{t("admin.group.messages")}</span>
          <input type="number" name="retention_messages" min={0} max={1_000_000} defaultValue={fields.retention_messages} />
        </label>
      </div>
      <label class="check">
        <input type="checkbox" name="temporary_only" defaultChecked={fields.temporary_only} />
        {t("admin.group.temporary")}
      </label>
      <div class="admin-actions">
        <button type="submit" class="button small">
          {t(group === undefined ? "admin.group.make" : "admin.save")}
        </button>
        {children}
      </div>
    </form>
  );
}
