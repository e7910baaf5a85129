import type { GroupBody } from "../api/schema.ts";

/** A group as a form has it: what has no bound is empty. */
export type GroupFields = Readonly<Record<"models" | "retention_days" | "retention_messages", string>> & {
  readonly temporary_only: boolean;
};

export function fieldsOf({ models, retention_days, retention_messages, temporary_only }: GroupBody): GroupFields {
  return {
    models: (models ?? []).join(", "),
    retention_days: String(retention_days ?? ""),
    retention_messages: String(retention_messages ?? ""),
    temporary_only,
  };
}

export function groupOf({ models, retention_days, retention_messages, temporary_only }: GroupFields): GroupBody {
  const named = models.split(/[,，\n]/).map((name) => name.trim()).filter((name) => name !== "");
  const bound = (text: string) => (text.trim() === "" ? null : Number(text));
  return {
    models: named.length === 0 ? null : named,
    retention_days: bound(retention_days),
    retention_messages: bound(retention_messages),
    temporary_only,
  };
}
