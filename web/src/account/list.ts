import { useEffect, useState } from "preact/hooks";

import { languageTag } from "../session/language.ts";

/** Rows that the server has, read anew after each change; `trouble` where that did not work. */
export function useList<Row>(read: () => Promise<readonly Row[]>) {
  const [rows, setRows] = useState<readonly Row[] | null>(null);
  const [trouble, setTrouble] = useState(false);
  const load = () =>
    read().then(
      (found) => {
        setRows(found);
        setTrouble(false);
      },
      () => setTrouble(true),
    );
  useEffect(() => void load(), []);
  const change = (changing: Promise<unknown>) => void changing.then(load, () => setTrouble(true));
  return { rows, trouble, change };
}

/** A day in the reader's words, from Unix seconds. */
export function day(seconds: number): string {
  return new Date(seconds * 1000).toLocaleDateString(languageTag(), { year: "numeric", month: "short", day: "numeric" });
}
