import { useState } from "preact/hooks";

import type { OwnPersona } from "../api/contract.ts";
import { explain, remove } from "./personas.ts";
import { t } from "../session/language.ts";
import { presentRole, roleCalled } from "../catalog/roles.ts";
import { Dialog } from "../ui/Dialog.tsx";

interface PersonaDeleteProps {
  readonly persona: OwnPersona;
  readonly onDeleted: (persona: OwnPersona) => void;
  readonly onClose: () => void;
}

/** The question before a persona is gone. */
export function PersonaDelete({ persona, onDeleted, onClose }: PersonaDeleteProps) {
  const [trouble, setTrouble] = useState("");
  const removeIt = async () => {
    setTrouble("");
    try {
      await remove(persona.id);
    } catch (error) {
      return setTrouble(explain(error));
    }
    onClose();
    onDeleted(persona);
  };
  const heir = presentRole();
  const title = t("personas.delete.title", { name: persona.name });
  const text = t("personas.delete.text", { name: roleCalled(heir)?.name ?? heir });
  return (
    <Dialog title={title} text={text} onClose={onClose}>
      {trouble !== "" && (
        <p class="dialog-trouble" role="alert">
          {trouble}
        </p>
      )}
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onClose}>
          {t("personas.cancel")}
        </button>
        <button type="button" class="button danger" onClick={removeIt}>
          {t("personas.delete")}
        </button>
      </div>
    </Dialog>
  );
}
