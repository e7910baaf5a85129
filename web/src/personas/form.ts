import type { OwnPersona, PersonaFields, Role } from "../api/contract.ts";

/** How many code points the server takes, and how many questions. */
export const LIMITS = { name: 80, description: 200, prompt: 16_000, welcome: 2_000, suggestions: 200 } as const;
const QUESTIONS = 3;

/** A persona as it stands in the form: what was typed, whether or not it is right. */
export interface PersonaForm {
  /** Null for a new one. */
  readonly id: string | null;
  readonly icon: string;
  readonly name: string;
  readonly description: string;
  readonly prompt: string;
  readonly welcome: string;
  /** At least three, most of them perhaps empty. */
  readonly suggestions: readonly string[];
  /** Empty: none of its own. So with the three numbers. */
  readonly model: string;
  readonly temperature: string;
  readonly top_p: string;
  readonly max_tokens: string;
}

export type Field = Exclude<keyof PersonaForm, "id">;

/** What is wrong with a field. */
export type Fault = "blank" | "long" | "icon" | "temperature" | "top_p" | "max_tokens" | "refused";

export const EMPTY: PersonaForm = {
  id: null,
  icon: "💬",
  name: "",
  description: "",
  prompt: "",
  welcome: "",
  suggestions: ["", "", ""],
  model: "",
  temperature: "",
  top_p: "",
  max_tokens: "",
};

export function formOf(persona: OwnPersona): PersonaForm {
  const { id, icon, name, description, prompt, welcome, model, temperature, top_p, max_tokens } = persona;
  return {
    ...{ id, icon, name, description, prompt, welcome },
    suggestions: withRoom(persona.suggestions),
    model: model ?? "",
    temperature: String(temperature ?? ""),
    top_p: String(top_p ?? ""),
    max_tokens: String(max_tokens ?? ""),
  };
}

/** A new persona that says what `role` says. */
export function copyOf(role: Role, name: string): PersonaForm {
  const { icon, description, prompt, welcome } = role;
  return { ...EMPTY, ...{ icon, name, description, prompt, welcome }, suggestions: withRoom(role.suggestions) };
}

function withRoom(suggestions: readonly string[]): readonly string[] {
  return [...suggestions, ...EMPTY.suggestions.slice(Math.min(suggestions.length, QUESTIONS))];
}

/** What the server is told; only for a form without faults. */
export function fieldsOf(form: PersonaForm): PersonaFields {
  return {
    name: form.name.trim(),
    icon: form.icon.trim() || EMPTY.icon,
    description: form.description.trim(),
    prompt: form.prompt,
    welcome: form.welcome.trim(),
    suggestions: form.suggestions.map((text) => text.trim()).filter((text) => text !== ""),
    model: form.model || null,
    temperature: readNumber(form.temperature),
    top_p: readNumber(form.top_p),
    max_tokens: readNumber(form.max_tokens),
  };
}

/** The fields in which `form` says something else than `start`: what somebody else changed meanwhile stays. */
export function changedFields(start: PersonaForm, form: PersonaForm): Partial<PersonaFields> {
  const before = fieldsOf(start);
  const changed = Object.entries(fieldsOf(form)).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name as keyof PersonaFields]),
  );
  return Object.fromEntries(changed);
}

export function isSame(one: PersonaForm, other: PersonaForm): boolean {
  return JSON.stringify({ ...one, id: null }) === JSON.stringify({ ...other, id: null });
}

/** What is wrong with `form` by the server's own rules, in the order of its fields. */
export function faultsOf(form: PersonaForm): ReadonlyMap<Field, Fault> {
  const faults = new Map<Field, Fault>();
  const check = (field: Field, fault: Fault, isRight: boolean) => {
    if (!isRight && !faults.has(field)) faults.set(field, fault);
  };
  check("icon", "icon", isOneCharacter(form.icon.trim()));
  check("name", "blank", form.name.trim() !== "");
  for (const field of ["name", "description", "prompt", "welcome"] as const) {
    check(field, "long", left(field, form[field]) >= 0);
    if (field === "description") check("prompt", "blank", form.prompt.trim() !== "");
  }
  check("suggestions", "long", form.suggestions.every((text) => left("suggestions", text.trim()) >= 0));
  check("temperature", "temperature", isWithin(form.temperature, (value) => value >= 0 && value <= 2));
  check("top_p", "top_p", isWithin(form.top_p, (value) => value > 0 && value <= 1));
  const isCount = (value: number) => Number.isInteger(value) && value >= 16 && value <= 1_000_000;
  check("max_tokens", "max_tokens", isWithin(form.max_tokens, isCount));
  return faults;
}

/** How many characters more `field` may have, as the server counts them: code points. */
export function left(field: keyof typeof LIMITS, text: string): number {
  return LIMITS[field] - [...text].length;
}

/** Nothing stands for the usual one. What a reader sees as one character may be many code points. */
function isOneCharacter(text: string): boolean {
  return [...text].length <= 16 && [...new Intl.Segmenter().segment(text)].length <= 1;
}

function isWithin(text: string, range: (value: number) => boolean): boolean {
  const value = readNumber(text);
  return value === null || range(value);
}

/** The number that was typed, with a comma and in full width as well; null where nothing was, NaN where it is none. */
export function readNumber(text: string): number | null {
  const plain = text.normalize("NFKC").trim().replace(",", ".");
  if (plain === "") return null;
  return /^-?(\d+\.?\d*|\.\d+)$/.test(plain) ? Number(plain) : Number.NaN;
}
