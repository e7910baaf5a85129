import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

import type { OwnPersona } from "../api/contract.ts";
import { type Fault, faultsOf, type Field as Name, left, LIMITS, type PersonaForm as Form } from "./form.ts";
import { Problem } from "../api/problem.ts";
import { models } from "../catalog/models.ts";
import { explain, save, writeForm } from "./personas.ts";
import { t } from "../session/language.ts";
import { isComposing, touch } from "../browser/composing.ts";
import { ModelOptions } from "./PersonaOptions.tsx";

const ICONS = ["💬", "🧑‍🏫", "✍️", "💻", "🌏", "🔬", "🎨", "🍳"];

interface PersonaFormProps {
  readonly form: Form;
  /** Whether it was brought back from before a reload. */
  readonly isRestored: boolean;
  readonly onSaved: (persona: OwnPersona) => void;
  readonly onCancel: () => void;
}

export function PersonaForm({ form, isRestored, onSaved, onCancel }: PersonaFormProps) {
  const element = useRef<HTMLFormElement>(null);
  const [isSaving, setSaving] = useState(false);
  const [trouble, setTrouble] = useState("");
  // Nobody is told what is wrong with a field before having left it, or before saving.
  const [seen, setSeen] = useState<ReadonlySet<Name>>(new Set());
  const [refused, setRefused] = useState<readonly string[]>([]);
  useEffect(() => {
    const dialog = element.current?.closest("dialog");
    dialog?.scrollTo(0, 0);
    // On a phone the keyboard would cover what there is to see.
    const wanted = touch.matches ? element.current : element.current?.querySelector<HTMLElement>("[name=name]");
    wanted?.focus({ preventScroll: true });
  }, []);

  const wrong = faultsOf(form);
  const shown = (name: Name): Fault | undefined =>
    (seen.has(name) ? wrong.get(name) : undefined) ?? (refused.includes(name) ? "refused" : undefined);
  const write = (change: Partial<Form>) => {
    writeForm(change);
    setRefused(refused.filter((name) => !(name in change)));
  };
  const leave = (event: FocusEvent) => {
    const name = (event.target as HTMLInputElement).name as Name;
    if (name && form[name] !== "") setSeen(new Set(seen).add(name));
  };
  const submit = async () => {
    if (isSaving) return;
    setTrouble("");
    const [first] = wrong.keys();
    if (first !== undefined) {
      setSeen(new Set(wrong.keys()));
      // The first of several of that name that is wrong: only a question may be one of many.
      const fields = [...(element.current?.querySelectorAll<HTMLInputElement>(`[name=${first}]`) ?? [])];
      const isLong = ({ value }: HTMLInputElement) => first in LIMITS && left(first as keyof typeof LIMITS, value.trim()) < 0;
      (fields.find(isLong) ?? fields[0])?.focus();
      return;
    }
    setSaving(true);
    try {
      const saved = await save();
      if (saved !== null) onSaved(saved);
    } catch (error) {
      setTrouble(explain(error));
      setRefused(error instanceof Problem ? error.fields : []);
    }
    setSaving(false);
  };
  const submitByKey = (event: KeyboardEvent) => {
    if (event.key !== "Enter") return;
    // Safari would send the form with the Enter that ends a composition.
    if (isComposing(event)) event.preventDefault();
    else if (event.ctrlKey || event.metaKey) element.current?.requestSubmit();
  };

  return (
    <form
      class="persona-form"
      ref={element}
      tabIndex={-1}
      noValidate
      onFocusOut={leave}
      onKeyDown={submitByKey}
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      {isRestored && (
        <p class="muted" role="status">
          {t("personas.restored")}
        </p>
      )}
      <Field label={t("personas.name")} fault={shown("name")} name="name">
        {(props) => <input {...props} value={form.name} onInput={(event) => write({ name: event.currentTarget.value })} />}
      </Field>
      <Icon icon={form.icon} fault={shown("icon")} onWrite={(icon) => write({ icon })} />
      <Field
        label={t("personas.prompt")}
        hint={t("personas.prompt.hint")}
        count={left("prompt", form.prompt)}
        fault={shown("prompt")}
        name="prompt"
      >
        {(props) => (
          <textarea {...props} rows={7} value={form.prompt} onInput={(event) => write({ prompt: event.currentTarget.value })} />
        )}
      </Field>
      <Field label={t("personas.description")} isOptional fault={shown("description")} name="description">
        {(props) => (
          <input {...props} value={form.description} onInput={(event) => write({ description: event.currentTarget.value })} />
        )}
      </Field>
      <Field label={t("personas.welcome")} isOptional fault={shown("welcome")} name="welcome">
        {(props) => (
          <textarea {...props} rows={2} value={form.welcome} onInput={(event) => write({ welcome: event.currentTarget.value })} />
        )}
      </Field>
      <Questions
        questions={form.suggestions}
        fault={shown("suggestions")}
        onWrite={(suggestions) => write({ suggestions })}
      />
      <ModelField model={form.model} fault={shown("model")} onWrite={(model) => write({ model })} />
      <Sampling form={form} shown={shown} onWrite={write} />
      <div class="persona-end">
        {trouble !== "" && (
          <p class="dialog-trouble" role="alert">
            {trouble}
          </p>
        )}
        <div class="dialog-actions">
          <button type="button" class="button" onClick={onCancel}>
            {t("personas.cancel")}
          </button>
          <button type="submit" class="button primary" aria-disabled={isSaving}>
            {t(isSaving ? "personas.saving" : "personas.save")}
          </button>
        </div>
      </div>
    </form>
  );
}

interface ControlProps {
  readonly id: string;
  readonly name: Name;
  readonly autoComplete: "off";
  readonly "aria-invalid": boolean;
  readonly "aria-describedby": string | undefined;
}

interface FieldProps {
  readonly label: string;
  readonly name: Name;
  readonly hint?: string;
  readonly isOptional?: boolean;
  readonly fault: Fault | undefined;
  /** How many characters are left. */
  readonly count?: number;
  readonly children: (props: ControlProps) => ComponentChildren;
}

/** A label, what it is for, its field, and what is wrong with that. */
function Field({ label, name, hint, isOptional, fault, count, children }: FieldProps) {
  const id = useId();
  const describedBy = [hint && `${id}-hint`, count !== undefined && `${id}-count`, fault && `${id}-fault`];
  return (
    <div class="field">
      <div class="field-head">
        <label for={id}>
          {label} {isOptional && <small>{t("personas.optional")}</small>}
        </label>
        {count !== undefined && (
          <small id={`${id}-count`} class={count < 0 ? "bad" : ""}>
            {t(count < 0 ? "personas.over" : "personas.left", { n: Math.abs(count) })}
          </small>
        )}
      </div>
      {children({
        id,
        name,
        autoComplete: "off",
        "aria-invalid": fault !== undefined,
        "aria-describedby": describedBy.filter(Boolean).join(" ") || undefined,
      })}
      {hint && fault === undefined && <small id={`${id}-hint`}>{hint}</small>}
      <FaultLine id={`${id}-fault`} name={name} fault={fault} />
    </div>
  );
}

function FaultLine({ id, name, fault }: { id: string; name: Name; fault: Fault | undefined }) {
  if (fault === undefined) return null;
  const most = name in LIMITS ? LIMITS[name as keyof typeof LIMITS] : 0;
  return (
    <small id={id} class="bad">
      {t(`personas.fault.${fault}`, { n: most })}
    </small>
  );
}

function Icon({ icon, fault, onWrite }: { icon: string; fault: Fault | undefined; onWrite: (icon: string) => void }) {
  return (
    <Field label={t("personas.icon")} fault={fault} name="icon">
      {(props) => (
        <div class="persona-icons">
          <input {...props} value={icon} onInput={(event) => onWrite(event.currentTarget.value)} />
          {ICONS.map((suggested) => (
            <button
              key={suggested}
              type="button"
              class="icon-button"
              aria-label={t("personas.icon.use", { icon: suggested })}
              aria-pressed={suggested === icon}
              onClick={() => onWrite(suggested)}
            >
              {suggested}
            </button>
          ))}
        </div>
      )}
    </Field>
  );
}

interface QuestionsProps {
  readonly questions: readonly string[];
  readonly fault: Fault | undefined;
  readonly onWrite: (questions: readonly string[]) => void;
}

function Questions({ questions, fault, onWrite }: QuestionsProps) {
  const id = useId();
  return (
    <fieldset class="field" aria-describedby={`${id}-${fault === undefined ? "hint" : "fault"}`}>
      <legend>
        {t("personas.questions")} <small>{t("personas.optional")}</small>
      </legend>
      {questions.map((question, at) => {
        const isWrong = fault === "refused" || (fault !== undefined && left("suggestions", question.trim()) < 0);
        return (
          <input
            key={at}
            name="suggestions"
            value={question}
            autoComplete="off"
            aria-label={t("personas.question", { n: at + 1 })}
            aria-invalid={isWrong}
            onInput={(event) => onWrite(questions.with(at, event.currentTarget.value))}
          />
        );
      })}
      {fault === undefined && <small id={`${id}-hint`}>{t("personas.questions.hint")}</small>}
      <FaultLine id={`${id}-fault`} name="suggestions" fault={fault} />
    </fieldset>
  );
}

function ModelField({ model, fault, onWrite }: { model: string; fault: Fault | undefined; onWrite: (id: string) => void }) {
  const isGone = model !== "" && models.value.every(({ id }) => id !== model);
  return (
    <Field label={t("personas.model")} hint={t("personas.model.hint")} fault={fault} name="model">
      {(props) => (
        <select {...props} value={model} onChange={(event) => onWrite(event.currentTarget.value)}>
          <option value="">{t("personas.model.none")}</option>
          <ModelOptions />
          {isGone && <option value={model}>{t("personas.model.gone", { id: model })}</option>}
        </select>
      )}
    </Field>
  );
}

interface SamplingProps {
  readonly form: Form;
  readonly shown: (name: Name) => Fault | undefined;
  readonly onWrite: (change: Partial<Form>) => void;
}

function Sampling({ form, shown, onWrite }: SamplingProps) {
  return (
    <fieldset class="field">
      <legend>
        {t("personas.sampling")} <small>{t("personas.optional")}</small>
      </legend>
      <div class="persona-numbers">
        {(["temperature", "top_p", "max_tokens"] as const).map((name) => (
          <Field key={name} label={t(`personas.${name}`)} hint={t(`personas.${name}.hint`)} fault={shown(name)} name={name}>
            {(props) => (
              <input
                {...props}
                inputMode={name === "max_tokens" ? "numeric" : "decimal"}
                value={form[name]}
                onInput={(event) => onWrite({ [name]: event.currentTarget.value })}
              />
            )}
          </Field>
        ))}
      </div>
      <small>{t("personas.sampling.hint")}</small>
    </fieldset>
  );
}
