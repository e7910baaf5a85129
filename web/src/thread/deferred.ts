import { ClearDialog } from "./ClearDialog.tsx";
import { ContextReport } from "./ContextReport.tsx";
import { decorate, drawFormulas, undecorate } from "./decorate.tsx";
import { Editor } from "./Editor.tsx";
import { LastLine } from "./LastLine.tsx";
import { OwnTools, ReplyTools } from "./MessageTools.tsx";
import { ReplyEnd } from "./ReplyEnd.tsx";

export {
  ClearDialog,
  ContextReport,
  decorate,
  drawFormulas,
  undecorate,
  Editor,
  LastLine,
  OwnTools,
  ReplyTools,
  ReplyEnd,
};

declare module "../ui/lazy.tsx" {
  interface Deferred {
    readonly ClearDialog: typeof ClearDialog;
    readonly ContextReport: typeof ContextReport;
    readonly decorate: typeof decorate;
    readonly drawFormulas: typeof drawFormulas;
    readonly undecorate: typeof undecorate;
    readonly Editor: typeof Editor;
    readonly LastLine: typeof LastLine;
    readonly OwnTools: typeof OwnTools;
    readonly ReplyTools: typeof ReplyTools;
    readonly ReplyEnd: typeof ReplyEnd;
  }
}
