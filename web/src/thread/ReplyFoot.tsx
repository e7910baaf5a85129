import { useState } from "preact/hooks";

import { moment } from "../i18n/when.ts";
import { languageTag } from "../session/language.ts";
import type { ShownMessage } from "./messages.ts";
import { modelName } from "../catalog/models.ts";
import { DeferredView } from "../ui/lazy.tsx";

/** The quiet line below a reply: copy it, have another one, see what was sent for it, who made it and when. */
export function ReplyFoot({ message, isLast, isNear }: { message: ShownMessage; isLast: boolean; isNear: boolean }) {
  const [isOpen, setIsOpen] = useState(false);
  const { turnId } = message;
  return (
    <>
      <footer class="reply-foot">
        {isNear && (
          <DeferredView>{({ ReplyTools }) => <ReplyTools message={message} isLast={isLast} isOpen={isOpen} onOpen={setIsOpen} />}</DeferredView>
        )}
        <span class="made">
          {message.model !== null && <span class="made-model">{modelName(message.model)}</span>}
          <time dateTime={new Date(message.timestamp * 1000).toISOString()}>
            {moment(message.timestamp, new Date(), languageTag())}
          </time>
        </span>
      </footer>
      {isOpen && turnId !== null && (
        <DeferredView onMissing={() => setIsOpen(false)}>{({ ContextReport }) => <ContextReport turnId={turnId} />}</DeferredView>
      )}
    </>
  );
}
