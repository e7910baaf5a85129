import { computed, signal } from "@preact/signals";

import type { Download, Model, Models } from "../api/contract.ts";
import { keep, recall } from "../browser/storage.ts";
import { roleCalled, roleHere } from "./roles.ts";
import { api } from "../session/client.ts";
import { settings } from "../session/preferences.ts";

const POLL_MS = 2_000;

const known = signal<Models | null>(null);
/** The model for a new conversation, where the reader chose one in this browser. */
const chosen = signal(recall("model"));

export const models = computed(() => known.value?.models ?? []);
export const download = computed<Download | null>(() => known.value?.download ?? null);
/** Whether a download ended while this page watched: only then its end is news. */
export const sawDownload = signal(false);

const find = (id: unknown) => models.value.find((model) => model.id === id);

/**
 * The model that answers, once it is known: the conversation's, else its persona's, else the server's own choice.
 *
 * @param id the model of the conversation on the page, where it has one; undefined for a new one, which begins with what
 *   was chosen in this browser, else with the persona's, else with what is chosen for good.
 */
export function modelFor(id: string | null | undefined): Model | undefined {
  const isNew = id === undefined;
  return (
    find(isNew ? chosen.value : id) ??
    find(roleCalled(roleHere())?.model) ??
    find(isNew && settings.value.default_model) ??
    find(known.value?.default_model)
  );
}

/** What a model is called; its id where it is not there any more. */
export function modelName(id: string): string {
  return find(id)?.name ?? id;
}

/** What a new conversation asks for: nothing where the reader chose none here, so that the server's choice may change. */
export function modelForNew(): string | null {
  return find(chosen.value)?.id ?? null;
}

/** Chooses for new conversations; "" leaves it to what is chosen for good. */
export function chooseModel(id: string): void {
  chosen.value = id;
  keep("model", id);
}

let poll: ReturnType<typeof setTimeout> | undefined;

/** Asks which models there are. */
export async function loadModels(): Promise<void> {
  clearTimeout(poll);
  takeModels(await api.models().catch(() => known.peek()));
}

/** Takes what the server said, if it did; and asks again every two seconds while a model is being downloaded. */
export function takeModels(found: Models | null): void {
  known.value = found;
  if (!isUnderWay(download.peek())) return;
  sawDownload.value = true;
  poll = setTimeout(loadModels, POLL_MS);
}

export function isUnderWay(now: Download | null): boolean {
  return now?.state === "waiting" || now?.state === "running";
}
