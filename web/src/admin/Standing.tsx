import { t } from "../session/language.ts";

const ROLES = ["user", "admin"] as const;

interface StandingProps {
  /** The names of all groups. */
  readonly groups: readonly string[];
  readonly role?: string;
  /** Empty: none. */
  readonly group?: string;
}

/** The two fields `role` and `group` of a form. */
export function Standing({ groups, role = "user", group = "" }: StandingProps) {
  const offered = [...new Set(["", group, ...groups])];
  return (
    <div class="admin-pair">
      <label class="field">
        <span>{t("admin.role")}</span>
        <select name="role">
          {ROLES.map((each) => (
            <option key={each} value={each} selected={each === role}>
              {t(`account.role.${each}`)}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        <span>{t("admin.group")}</span>
        <select name="group">
          {offered.map((each) => (
            <option key={each} value={each} selected={each === group}>
              {each || t("admin.group.none")}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

/** What stands in those two fields. */
export function standingIn(form: HTMLFormElement): { readonly role: "admin" | "user"; readonly group: string } {
  const fields = new FormData(form);
  return { role: fields.get("role") === "admin" ? "admin" : "user", group: String(fields.get("group")) };
}
