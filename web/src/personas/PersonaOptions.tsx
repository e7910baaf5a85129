import { models } from "../catalog/models.ts";
import { t } from "../session/language.ts";
import { roles } from "../catalog/roles.ts";

/** The personas: the server's, then the reader's own. */
export function RoleOptions() {
  const options = (isOwn: boolean) =>
    roles.value
      .filter(([, { own }]) => own === isOwn)
      .map(([id, { icon, name }]) => (
        <option key={id} value={id}>
          {icon} {name}
        </option>
      ));
  const own = options(true);
  return (
    <>
      {options(false)}
      {own.length > 0 && <optgroup label={t("role.own")}>{own}</optgroup>}
    </>
  );
}

export function ModelOptions() {
  return models.value.map(({ id, name }) => (
    <option key={id} value={id}>
      {name}
    </option>
  ));
}
