import { useState } from "preact/hooks";

import { changePassword } from "../api/auth.ts";
import { language, t } from "../session/language.ts";
import { who } from "./account.ts";
import { explain } from "./list.ts";

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
      await changePassword(language.peek(), String(fields.get("old")), String(fields.get("new")));
      form.reset();
      setDone(true);
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
        <label class="field">
          <span>{t("account.password.old")}</span>
          <input type="password" name="old" autocomplete="current-password" required />
        </label>
        <label class="field">
          <span>{t("account.password.new")}</span>
          <input type="password" name="new" autocomplete="new-password" minLength={12} required />
        </label>
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
