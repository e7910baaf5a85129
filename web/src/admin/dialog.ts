/** What administrators have on the page. */
import "./admin.css";

export { AdminDialog } from "./AdminDialog.tsx";
