import type { UserOut, UserPatch } from "../api/schema.ts";
import { t } from "../session/language.ts";
import { Standing, standingIn } from "./Standing.tsx";

interface PersonProps {
  readonly person: UserOut;
  /** The names of all groups. */
  readonly groups: readonly string[];
  /** Nobody changes or deletes themselves, so that there is always an administrator. */
  readonly isReader: boolean;
  readonly onChange: (change: UserPatch) => void;
  readonly onLink: () => void;
  readonly onDelete: () => void;
}

/** A person's line; behind it, what can be done. */
export function Person({ person, groups, isReader, onChange, onLink, onDelete }: PersonProps) {
  const { name, role, group, state } = person;
  const save = (event: SubmitEvent) => {
    event.preventDefault();
    onChange(standingIn(event.currentTarget as HTMLFormElement));
  };
  return (
    <details>
      <summary>
        <span class="account-name">
          {name}
          <small class="muted">{about(person, isReader)}</small>
        </span>
      </summary>
      <div class="account-new">
        {!isReader && state !== "deleting" && (
          // What was chosen and not saved is gone when the server says otherwise.
          <form key={`${role} ${group}`} class="account-new" onSubmit={save}>
            <Standing groups={groups} role={role} group={group} />
            <p class="muted">{t("admin.save.about")}</p>
            <button type="submit" class="button small">
              {t("admin.save")}
            </button>
          </form>
        )}
        <div class="admin-actions">
          {state !== "deleting" && (
            <button type="button" class="button small" onClick={onLink}>
              {t("admin.link")}
            </button>
          )}
          {!isReader && state !== "deleting" && (
            <button type="button" class="button small" onClick={() => onChange({ state: state === "active" ? "disabled" : "active" })}>
              {t(state === "active" ? "admin.disable" : "admin.enable")}
            </button>
          )}
          {!isReader && (
            <button type="button" class="button small danger" onClick={onDelete}>
              {t("admin.delete")}
            </button>
          )}
        </div>
      </div>
    </details>
  );
}

function about({ role, group, state, has_password }: UserOut, isReader: boolean): string {
  const words = [t(`account.role.${role}`), group];
  if (isReader) words.push(t("admin.self"));
  if (state !== "active") words.push(t(`admin.state.${state}`));
  else if (!has_password) words.push(t("admin.no_password"));
  return words.filter((word) => word !== "").join(" · ");
}
