/** What is behind the login, fetched when the server asks who is there. */
import "../ui/dialog.css";
import "./login.css";

export { LoginDialog } from "./LoginDialog.tsx";
