import { signal } from "@preact/signals";

import type { OwnPersona, Preferences } from "../api/contract.ts";
import { changedFields, EMPTY, fieldsOf, formOf, isSame, type PersonaForm } from "./form.ts";
import { changePersona, changeSettings, createPersona, deletePersona, ownPersonas } from "../api/personas.ts";
import { Problem, Unreachable } from "../api/problem.ts";
import { keep, recall } from "../browser/storage.ts";
import { chooseModel } from "../catalog/models.ts";
import { t } from "../session/language.ts";
import { chooseRole, loadRoles } from "../catalog/roles.ts";
import { api } from "../session/client.ts";
import { takeSettings } from "../session/preferences.ts";

/** The reader's own personas, the oldest first; null until they have come. */
export const personas = signal<readonly OwnPersona[] | null>(null);

/** A persona that is being written, and how it was before. */
interface Edit {
  readonly start: PersonaForm;
  readonly form: PersonaForm;
}

/** The form, as far as it is filled in. What is not saved is kept through reloads. */
export const edit = signal<Edit | null>(JSON.parse(recall("persona") ?? "null"));

export function startEdit(start: PersonaForm): void {
  edit.value = { start, form: start };
}

export function writeForm(change: Partial<PersonaForm>): void {
  const now = edit.peek();
  if (now !== null) hold({ ...now, form: { ...now.form, ...change } });
}

/** Leaves the form; what is not saved is gone. */
export function leaveForm(): void {
  edit.value = null;
  keep("persona", "");
}

export function isUnsaved(): boolean {
  return edit.value !== null && !isSame(edit.value.start, edit.value.form);
}

function hold(now: Edit): void {
  edit.value = now;
  keep("persona", isUnsaved() ? JSON.stringify(now) : "");
}

/** Throws what `explain` puts into words. So do the others below. */
export async function loadPersonas(): Promise<void> {
  // The choice at the top of the page learns of what was made on another device as well.
  [personas.value] = await Promise.all([ownPersonas(api), loadRoles()]);
}

/** Saves the form and leaves it, unless something else stands there by then. */
export async function save(): Promise<OwnPersona | null> {
  const sent = edit.peek();
  if (sent === null) return null;
  const { start, form } = sent;
  const saved = await send(start, form).catch((error: unknown) => {
    // Deleted elsewhere: what was typed can be saved as a new one.
    if (isGone(error) && edit.peek()?.start === start) hold({ start: EMPTY, form: { ...form, ...edit.peek()?.form, id: null } });
    throw error;
  });
  const known = personas.peek() ?? [];
  const isKnown = known.some(({ id }) => id === saved.id);
  personas.value = isKnown ? known.map((persona) => (persona.id === saved.id ? saved : persona)) : [...known, saved];
  await loadRoles();
  const now = edit.peek();
  // Where another persona is being written by now, that one stays as it is.
  if (now?.start !== start) return saved;
  if (now.form !== form) hold({ start: formOf(saved), form: { ...now.form, id: saved.id } });
  else leaveForm();
  return saved;
}

async function send(start: PersonaForm, form: PersonaForm): Promise<OwnPersona> {
  if (form.id === null) return createPersona(api, fieldsOf(form));
  const changed = changedFields(start, form);
  const before = personas.peek()?.find(({ id }) => id === form.id);
  if (Object.keys(changed).length === 0 && before !== undefined) return before;
  return changePersona(api, form.id, changed);
}

/** Deletes one; that it is gone already is as good. */
export async function remove(id: string): Promise<void> {
  await deletePersona(api, id).catch((error: unknown) => {
    if (!isGone(error)) throw error;
  });
  personas.value = (personas.peek() ?? []).filter((persona) => persona.id !== id);
  await loadRoles();
}

/** What new conversations begin with from now on, in this browser as well. */
export async function beginWith(fields: Partial<Preferences>): Promise<void> {
  takeSettings(await changeSettings(api, fields));
  if ("default_role" in fields) chooseRole("");
  if ("default_model" in fields) chooseModel("");
}

/** Why something did not work, in words. */
export function explain(error: unknown): string {
  if (error instanceof Unreachable) return t("personas.unreachable");
  if (!(error instanceof Problem)) throw error;
  if (isGone(error)) return t("personas.gone");
  if (error.code === "unknown_model") return t("personas.no_model");
  if (error.fields.includes("personas")) return t("personas.full");
  return t("personas.refused", { detail: error.detail || error.code });
}

function isGone(error: unknown): boolean {
  return error instanceof Problem && error.code === "persona_not_found";
}
