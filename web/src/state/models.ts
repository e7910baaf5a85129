import { computed, signal } from "@preact/signals";

import type { Download, Model, Models } from "../core/contract.ts";
import { keep, recall } from "./memory.ts";
import { api } from "./server.ts";
import { report } from "./status.ts";

const POLL_MS = 2_000;

const known = signal<Models | null>(null);
/** The model for a new conversation, where the reader chose one. */
const chosen = signal(recall("model"));

export const models = computed(() => known.value?.models ?? []);
export const download = computed<Download | null>(() => known.value?.download ?? null);
/** Whether a download ended while this page watched: only then its end is news. */
export const sawDownload = signal(false);

/** The model called `id`, else the one chosen here, else the server's own choice. */
export function modelFor(id: string | null | undefined): Model | null {
  const find = (wanted: string | null | undefined) => models.value.find((model) => model.id === wanted);
  return find(id) ?? find(chosen.value) ?? find(known.value?.default_model) ?? models.value[0] ?? null;
}

/** What a model is called; its id where it is not there any more. */
export function modelName(id: string): string {
  return models.value.find((model) => model.id === id)?.name ?? id;
}

/** What a new conversation asks for: nothing where the server's choice is right, so that it may change later. */
export function modelForNew(): string | null {
  const model = modelFor(null);
  return model === null || model.id === known.peek()?.default_model ? null : model.id;
}

export function chooseModel(id: string): void {
  chosen.value = id;
  keep("model", id);
}

let poll: ReturnType<typeof setTimeout> | undefined;

/** Asks which models there are; again every two seconds while one is being downloaded. */
export async function loadModels(): Promise<void> {
  clearTimeout(poll);
  try {
    known.value = await api.models();
  } catch {
    // The header stands without a model's name; the next reply asks again.
  }
  if (!isUnderWay(download.peek())) return;
  sawDownload.value = true;
  poll = setTimeout(loadModels, POLL_MS);
}

export function isUnderWay(now: Download | null): boolean {
  return now?.state === "waiting" || now?.state === "running";
}

export async function stopDownload(): Promise<void> {
  await api.stopDownload().catch(report);
  await loadModels();
}

export async function startDownload(): Promise<void> {
  await api.startDownload().catch(report);
  await loadModels();
}
