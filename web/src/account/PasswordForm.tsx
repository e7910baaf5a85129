import { useState } from "preact/hooks";

import { changePassword } from "../api/auth.ts";
import { Api } from "../api/client.ts";
import { language, t } from "../session/language.ts";
import { isLoginAsked } from "../session/login.ts";
import { Field } from "../login/Field.tsx";
import { who } from "./account.ts";
import { explain } from "./list.ts";

/** A wrong password is refused as a missing login is, and is no reason to ask for one. */
const own = new Api(() => language.peek());

/** Changes the reader's password, which ends all logins but this one. */
export function PasswordForm({ onChanged }: { onChanged: () => void }) {
  const [trouble, setTrouble] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [isDone, setDone] = useState(false);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    if (isBusy) return;
    const form = event.currentTarget as HTMLFormElement;
    const fields = new FormData(form);
    setTrouble("");
    setDone(false);
    setBusy(true);
    try {
      await changePassword(own, String(fields.get("old")), String(fields.get("new")));
      form.reset();
      setDone(true);
      // What was asked between the end of the old login and the new cookie was refused.
      isLoginAsked.value = false;
      onChanged();
    } catch (error) {
      setTrouble(explain(error));
    }
    setBusy(false);
  };
  return (
    <details class="account-part">
      <summary>{t("account.password")}</summary>
      <form class="account-new" aria-busy={isBusy} onSubmit={submit}>
        {/* For the browser's list of passwords. */}
        <input type="text" autocomplete="username" value={who.value?.name} readOnly hidden />
        <Field label={t("account.password.old")} name="old" type="password" autocomplete="current-password" />
        <Field label={t("account.password.new")} name="new" type="password" autocomplete="new-password" minLength={12} />
        <p class="dialog-trouble" role="alert" hidden={trouble === ""}>
          {trouble}
        </p>
        <p class="muted" role="status">
          {isDone && t("account.password.done")}
        </p>
        <button type="submit" class="button">
          {t("account.password.change")}
        </button>
      </form>
    </details>
  );
}
