import { useState } from "preact/hooks";

import { logout } from "../api/auth.ts";
import { api } from "../session/client.ts";
import { t } from "../session/language.ts";
import { PanelDialog } from "../ui/PanelDialog.tsx";
import { who } from "./account.ts";
import { explain } from "./list.ts";
import { PasswordForm } from "./PasswordForm.tsx";
import { Sessions } from "./Sessions.tsx";
import { Tokens } from "./Tokens.tsx";
import "./texts.ts";

/** Who is logged in, where else, and the tokens by which programs are let in. */
export function AccountDialog() {
  const [changes, setChanges] = useState(0);
  const [trouble, setTrouble] = useState("");
  const leave = () => {
    setTrouble("");
    // Whoever is there next begins with a page of their own.
    logout(api).then(
      () => location.reload(),
      (error: unknown) => setTrouble(explain(error)),
    );
  };
  return (
    <PanelDialog title={t("more.account")}>
      <p class="account-who">
        <strong>{who.value?.name}</strong> <span class="muted">{t(`account.role.${who.value?.role ?? "user"}`)}</span>
        <button type="button" class="button small" onClick={leave}>
          {t("account.logout")}
        </button>
      </p>
      <p class="dialog-trouble" role="alert" hidden={trouble === ""}>
        {trouble}
      </p>
      <PasswordForm onChanged={() => setChanges(changes + 1)} />
      <Sessions key={changes} />
      <Tokens />
    </PanelDialog>
  );
}
