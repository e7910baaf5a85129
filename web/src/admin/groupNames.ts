import { useEffect, useState } from "preact/hooks";

import { groups } from "../api/admin.ts";
import { api } from "../session/client.ts";

/** The names of all groups; none until they are known, and then everybody stays in the group they are in. */
export function useGroupNames(): readonly string[] {
  const [names, setNames] = useState<readonly string[]>([]);
  useEffect(() => {
    groups(api).then((answer) => setNames(answer.groups.map(({ name }) => name)), () => {});
  }, []);
  return names;
}
