import type { Api } from "./client.ts";
import type { OwnPersona, PersonaFields, Preferences } from "./contract.ts";

const ALL = "api/personas";

/** The reader's own personas, the oldest first. */
export async function ownPersonas(api: Api): Promise<readonly OwnPersona[]> {
  const { personas } = await api.json<{ readonly personas: readonly OwnPersona[] }>("GET", ALL);
  return personas;
}

export function createPersona(api: Api, fields: PersonaFields): Promise<OwnPersona> {
  return api.json("POST", ALL, fields);
}

export function changePersona(api: Api, id: string, fields: Partial<PersonaFields>): Promise<OwnPersona> {
  return api.json("PATCH", `${ALL}/${id}`, fields);
}

export async function deletePersona(api: Api, id: string): Promise<void> {
  await api.send("DELETE", `${ALL}/${id}`);
}

/** Changes what the reader has chosen for good; null takes a choice back. */
export function changeSettings(api: Api, fields: Partial<Preferences>): Promise<Preferences> {
  return api.json("PATCH", "api/settings", fields);
}
