/** What is behind the "More" menu, fetched when it is first opened. */
import "../../style/more.css";

export { MoreDialogs } from "./MoreDialogs.tsx";
