/** What is fetched after the page stands. One file: each of these is small, and who uses one soon uses another. */
import "../style/later.css";

import { LATER } from "../core/i18n/later.ts";
import { addTexts } from "../state/language.ts";

export { ClearDialog } from "./ClearDialog.tsx";
export { ConversationDialogs } from "./ConversationDialogs.tsx";
export { drawFormulas, dress, undress } from "./dress.tsx";
export { DownloadBanner } from "./DownloadBanner.tsx";
export { Editor } from "./Editor.tsx";
export { FoundList } from "./FoundList.tsx";
export { More } from "./more/More.tsx";
export { press } from "./more/press.ts";
export { LastLine } from "./LastLine.tsx";
export { OwnTools, ReplyTools } from "./MessageTools.tsx";
export { ReplyEnd } from "./ReplyEnd.tsx";
export { SentAccount } from "./SentAccount.tsx";

addTexts(LATER);
