import { t } from "../session/language.ts";
import type { ShownMessage } from "./messages.ts";
import { answerAgain } from "./sending.ts";
import { showElsewhere } from "./switching.ts";
import { elsewhere } from "./thread.ts";

/** What a branch ends with where it does not end with a reply of its own. */
export function LastLine({ newest }: { newest: ShownMessage | undefined }) {
  const under = elsewhere.value;
  if (under !== null) {
    const action = under.questionId === null ? null : { text: t("elsewhere.show"), onAct: () => void showElsewhere() };
    return <ListNote text={t("elsewhere.running")} action={action} />;
  }
  if (newest?.role !== "user" || newest.id === null) return null;
  return <ListNote text={t("reply.none")} action={{ text: t("reply.again"), onAct: () => void answerAgain(newest) }} />;
}

interface ListNoteProps {
  readonly text: string;
  readonly action: { readonly text: string; readonly onAct: () => void } | null;
}

function ListNote({ text, action }: ListNoteProps) {
  return (
    <p class="list-note">
      {text}
      {action !== null && (
        <button type="button" class="button small" onClick={action.onAct}>
          {action.text}
        </button>
      )}
    </p>
  );
}
