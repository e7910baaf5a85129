import { useEffect, useRef, useState } from "preact/hooks";

import { Problem } from "../api/problem.ts";
import { languageTag, t } from "../session/language.ts";

/** Rows that the server has, read anew after each change. */
export interface List<Row> {
  /** Null until they have come. */
  readonly rows: readonly Row[] | null;
  /** Why the last read or change did not work; empty where it did. */
  readonly trouble: string;
  readonly isBusy: boolean;
  /** Waits for a change, whatever comes of it; false, and nothing done, while another one goes on. */
  readonly change: (work: () => Promise<unknown>) => Promise<boolean>;
}

export function useList<Row>(read: () => Promise<readonly Row[]>): List<Row> {
  const [rows, setRows] = useState<readonly Row[] | null>(null);
  const [trouble, setTrouble] = useState("");
  const [isBusy, setBusy] = useState(false);
  const isChanging = useRef(false);
  const fail = (error: unknown) => setTrouble(explain(error));
  const load = () => read().then(setRows, fail);
  useEffect(() => void load(), []);
  const change = async (work: () => Promise<unknown>) => {
    if (isChanging.current) return false;
    isChanging.current = true;
    setBusy(true);
    setTrouble("");
    await work().catch(fail);
    // After a refusal too: what was to be changed may be gone.
    await load();
    isChanging.current = false;
    setBusy(false);
    return true;
  };
  return { rows, trouble, isBusy, change };
}

/** Why it did not work, in the server's words where it has some. */
export function explain(error: unknown): string {
  return error instanceof Problem && error.detail !== "" ? error.detail : t("account.failed");
}

/** A day in the reader's words, from Unix seconds. */
export function day(seconds: number): string {
  return new Date(seconds * 1000).toLocaleDateString(languageTag(), { year: "numeric", month: "short", day: "numeric" });
}
