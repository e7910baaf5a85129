import { isLoginAsked } from "../session/login.ts";
import { lazy, reportMissing } from "../ui/lazy.tsx";

const dialog = lazy(() => import("./dialog.ts"));

/** The login, over the page as it stands, where the server asks for it. Fetched then. */
export function Login() {
  if (!isLoginAsked.value) return null;
  const part = dialog.part.value;
  if (part !== null) return <part.LoginDialog />;
  dialog.fetch().catch(reportMissing);
  return null;
}
