import { useState } from "preact/hooks";

import type { Preferences } from "../api/contract.ts";
import { sentences, t } from "../session/language.ts";
import { modelForNew, models } from "../catalog/models.ts";
import { beginWith, explain } from "./personas.ts";
import { roleForNew } from "../catalog/roles.ts";
import { settings } from "../session/preferences.ts";
import { ModelOptions, RoleOptions } from "./PersonaOptions.tsx";

/** What new conversations begin with, as it is for this browser now, and kept at the server when it is changed. */
export function PersonaBeginning() {
  const [trouble, setTrouble] = useState("");
  const change = (fields: Partial<Preferences>) => {
    setTrouble("");
    beginWith(fields).catch((error: unknown) => setTrouble(explain(error)));
  };
  const forGood = settings.value.default_model ?? "";
  const isThere = models.value.some(({ id }) => id === forGood);
  return (
    <section class="persona-part">
      <h3>{t("personas.begin")}</h3>
      <div class="persona-pair">
        <label class="field">
          <span>{t("personas.begin.role")}</span>
          <select value={roleForNew()} onChange={(event) => change({ default_role: event.currentTarget.value })}>
            <RoleOptions />
          </select>
        </label>
        {models.value.length > 1 && (
          <label class="field">
            <span>{t("personas.begin.model")}</span>
            <select
              value={modelForNew() ?? (isThere ? forGood : "")}
              onChange={(event) => change({ default_model: event.currentTarget.value || null })}
            >
              <option value="">{t("personas.begin.default")}</option>
              <ModelOptions />
            </select>
          </label>
        )}
      </div>
      <p class="muted">
        {sentences(models.value.length > 1 ? t("personas.begin.own_model") : "", t("personas.begin.note"))}
      </p>
      {trouble !== "" && (
        <p class="dialog-trouble" role="alert">
          {trouble}
        </p>
      )}
    </section>
  );
}
