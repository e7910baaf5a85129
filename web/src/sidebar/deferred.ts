import { ConversationDialogs } from "./ConversationDialogs.tsx";
import { FoundList } from "./FoundList.tsx";

export { ConversationDialogs, FoundList };

declare module "../ui/lazy.tsx" {
  interface Deferred {
    readonly ConversationDialogs: typeof ConversationDialogs;
    readonly FoundList: typeof FoundList;
  }
}
