/** What is fetched after the page stands. One file: each of these is small, and who uses one soon uses another. */
import "./later.css";

import { LATER } from "../i18n/later.ts";
import { addTexts } from "../session/language.ts";

export { ClearDialog } from "../thread/ClearDialog.tsx";
export { ConversationDialogs } from "../sidebar/ConversationDialogs.tsx";
export { drawFormulas, dress, undress } from "../thread/dress.tsx";
export { DownloadBanner } from "../catalog/DownloadBanner.tsx";
export { Editor } from "../thread/Editor.tsx";
export { FoundList } from "../sidebar/FoundList.tsx";
export { More } from "../menu/Menu.tsx";
export { press } from "../shortcuts/press.ts";
export { LastLine } from "../thread/LastLine.tsx";
export { OwnTools, ReplyTools } from "../thread/MessageTools.tsx";
export { ReplyEnd } from "../thread/ReplyEnd.tsx";
export { SentAccount } from "../thread/ContextReport.tsx";

addTexts(LATER);
