/** What is fetched after the page stands. One file: each of these is small, and who uses one soon uses another. */
import "../style/later.css";

export { Branches } from "./Branches.tsx";
export { ClearDialog } from "./ClearDialog.tsx";
export { ConversationDialogs } from "./ConversationDialogs.tsx";
export { DownloadBanner } from "./DownloadBanner.tsx";
export { Editor } from "./Editor.tsx";
export { FoundList } from "./FoundList.tsx";
export { SentAccount } from "./SentAccount.tsx";
