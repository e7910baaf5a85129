/** What is behind the "More" menu, fetched when it is first opened. */
import "./menu.css";

export { Panels } from "./Panels.tsx";
