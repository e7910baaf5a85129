import { useState } from "preact/hooks";

import { t } from "../session/language.ts";
import { PanelDialog } from "../ui/PanelDialog.tsx";
import { Groups } from "./Groups.tsx";
import { Invites } from "./Invites.tsx";
import { People } from "./People.tsx";
import "./texts.ts";
import { UsageByPerson } from "./UsageByPerson.tsx";

const PARTS = { people: People, invites: Invites, groups: Groups, usage: UsageByPerson } as const;
type PartName = keyof typeof PARTS;
const NAMES = Object.keys(PARTS) as PartName[];

/** Who may use this server, and what they have used; never what they wrote. */
export function AdminDialog() {
  const [name, setName] = useState<PartName>("people");
  const Shown = PARTS[name];
  return (
    <PanelDialog title={t("more.admin")}>
      <div class="admin-parts" role="group" aria-label={t("more.admin")}>
        {NAMES.map((each) => (
          <button key={each} type="button" class="button small" aria-pressed={each === name} onClick={() => setName(each)}>
            {t(`admin.${each}`)}
          </button>
        ))}
      </div>
      <div class="admin">
        <Shown />
      </div>
    </PanelDialog>
  );
}
