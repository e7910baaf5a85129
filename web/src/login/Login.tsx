import { useEffect } from "preact/hooks";

import { isLoginAsked } from "../session/login.ts";
import { lazy, reportMissing } from "../ui/lazy.tsx";

const dialog = lazy(() => import("./dialog.ts"));

/** The login, over the page as it stands, where the server asks for it. Fetched then. */
export function Login() {
  const isAsked = isLoginAsked.value;
  useEffect(() => {
    if (isAsked) dialog.fetch().catch(reportMissing);
  }, [isAsked]);
  const part = dialog.part.value;
  return isAsked && part !== null ? <part.LoginDialog /> : null;
}
