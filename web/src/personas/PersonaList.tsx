import { useEffect, useRef, useState } from "preact/hooks";

import type { OwnPersona } from "../api/contract.ts";
import { copyOf, EMPTY, formOf, type PersonaForm } from "./form.ts";
import { panel } from "../ui/panel.ts";
import { t } from "../session/language.ts";
import { explain, loadPersonas, personas } from "./personas.ts";
import { goTo } from "../session/route.ts";
import { chooseRole, roles } from "../catalog/roles.ts";
import { touch } from "../browser/composing.ts";
import { isDrawerOpen } from "../ui/drawer.ts";
import { LeftIcon } from "../ui/dialogIcons.tsx";
import { PersonaBeginning } from "./PersonaBeginning.tsx";

interface PersonaListProps {
  /** What was done last, and to which persona. */
  readonly done: { readonly text: string; readonly id: string | null } | null;
  readonly onEdit: (form: PersonaForm) => void;
  readonly onDelete: (persona: OwnPersona) => void;
  readonly onClose: () => void;
}

export function PersonaList({ done, onEdit, onDelete, onClose }: PersonaListProps) {
  const create = useRef<HTMLButtonElement>(null);
  // Back from the form, or from a question: the focus goes to what it was about, or where one goes on.
  useEffect(() => {
    if (done === null) return;
    const row = done.id === null ? null : document.getElementById(done.id);
    const wanted = row?.querySelector<HTMLElement>(".persona-edit") ?? create.current;
    requestAnimationFrame(() => wanted?.focus());
  }, [done]);

  const talk = ({ id }: OwnPersona) => {
    chooseRole(id);
    goTo(null);
    isDrawerOpen.value = false;
    onClose();
    requestAnimationFrame(() => {
      if (!touch.matches) document.querySelector<HTMLElement>(".composer textarea")?.focus();
    });
  };
  return (
    <>
      <p class="muted">{t("personas.about")}</p>
      <button type="button" class="button primary persona-new" ref={create} onClick={() => onEdit(EMPTY)}>
        {t("personas.new")}
      </button>
      <p class="muted persona-done" role="status">
        {done?.text}
      </p>
      <OwnOnes onTalk={talk} onEdit={(persona) => onEdit(formOf(persona))} onDelete={onDelete} />
      <BuiltIn onEdit={onEdit} />
      <PersonaBeginning />
      <div class="dialog-actions">
        <button type="button" class="button quiet more-back" onClick={() => (panel.value = "menu")}>
          <LeftIcon />
          {t("more.back")}
        </button>
        <span class="spring" />
        <button type="button" class="button" onClick={onClose}>
          {t("more.close")}
        </button>
      </div>
    </>
  );
}

interface OwnOnesProps {
  readonly onTalk: (persona: OwnPersona) => void;
  readonly onEdit: (persona: OwnPersona) => void;
  readonly onDelete: (persona: OwnPersona) => void;
}

function OwnOnes(props: OwnOnesProps) {
  const [trouble, setTrouble] = useState("");
  const load = () => {
    setTrouble("");
    loadPersonas().catch((error: unknown) => setTrouble(explain(error)));
  };
  useEffect(load, []);
  if (personas.value === null) {
    if (trouble === "") return <p class="muted">{t("personas.loading")}</p>;
    return (
      <div>
        <p class="dialog-trouble" role="alert">
          {t("personas.load.failed")}
        </p>
        <button type="button" class="button small" onClick={load}>
          {t("personas.load.again")}
        </button>
      </div>
    );
  }
  if (personas.value.length === 0) return <p class="muted">{t("personas.none")}</p>;
  return (
    <ul class="persona-rows" aria-label={t("role.own")}>
      {personas.value.map((persona) => (
        <Row key={persona.id} persona={persona} {...props} />
      ))}
    </ul>
  );
}

function Row({ persona, onTalk, onEdit, onDelete }: OwnOnesProps & { persona: OwnPersona }) {
  const { id, icon, name, description, prompt } = persona;
  return (
    <li class="persona" id={id}>
      <span class="persona-icon" aria-hidden="true">
        {icon}
      </span>
      <span class="persona-name">{name}</span>
      <span class="persona-line">{description || prompt}</span>
      <span class="persona-actions">
        <button
          type="button"
          class="button small"
          aria-label={t("personas.talk.label", { name })}
          onClick={() => onTalk(persona)}
        >
          {t("personas.talk")}
        </button>
        <button
          type="button"
          class="button small persona-edit"
          aria-label={t("personas.edit.label", { name })}
          onClick={() => onEdit(persona)}
        >
          {t("personas.edit")}
        </button>
        <button
          type="button"
          class="button small danger quiet"
          aria-label={t("personas.delete.label", { name })}
          onClick={() => onDelete(persona)}
        >
          {t("personas.delete")}
        </button>
      </span>
    </li>
  );
}

function BuiltIn({ onEdit }: { onEdit: (form: PersonaForm) => void }) {
  const builtIn = roles.value.filter(([, { own }]) => !own);
  if (builtIn.length === 0) return null;
  return (
    <section class="persona-part">
      <h3 id="persona-copy">{t("personas.copy")}</h3>
      <div class="persona-chips" role="group" aria-labelledby="persona-copy">
        {builtIn.map(([id, role]) => (
          <button
            key={id}
            type="button"
            class="button"
            aria-label={t("personas.copy.label", { name: role.name })}
            onClick={() => onEdit(copyOf(role, t("personas.copy.name", { name: role.name })))}
          >
            <span aria-hidden="true">{role.icon}</span>
            {role.name}
          </button>
        ))}
      </div>
    </section>
  );
}
