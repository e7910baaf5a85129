import type { FoundConversation, Match } from "../api/contract.ts";
import { marked } from "./highlights.ts";
import { t } from "../session/language.ts";
import { openAt } from "../thread/jump.ts";
import { roleCalled } from "../catalog/roles.ts";
import { found, searchOn } from "./search.ts";

/** What the search found, and the way there. */
export function FoundList({ onGo }: { onGo: () => void }) {
  const { state, rows, next } = found.value;
  const go = (id: string, messageId: string | null) => {
    onGo();
    void openAt(id, messageId);
  };
  return (
    <div aria-busy={state === "searching"}>
      {state === "failed" && (
        <div class="side-note">
          <p>{t("search.failed")}</p>
          <button type="button" class="button" onClick={searchOn}>
            {t("reply.retry")}
          </button>
        </div>
      )}
      {state === "searching" && rows.length === 0 && <p class="side-note">{t("search.searching")}</p>}
      {state === "ready" && rows.length === 0 && <p class="side-note">{t("search.nothing")}</p>}
      {state !== "failed" && (
        <ul class="side-items">
          {rows.map((row) => (
            <FoundItem key={row.id} row={row} onGo={go} />
          ))}
        </ul>
      )}
      {state === "ready" && next !== null && (
        <button type="button" class="button quiet" onClick={searchOn}>
          {t("search.more")}
        </button>
      )}
    </div>
  );
}

interface FoundItemProps {
  readonly row: FoundConversation;
  readonly onGo: (id: string, messageId: string | null) => void;
}

function FoundItem({ row, onGo }: FoundItemProps) {
  const title = row.matches.find(({ message_id }) => message_id === null);
  const said = row.matches.filter(({ message_id }) => message_id !== null);
  return (
    <li class="found">
      <a
        class="side-link"
        href={`#/c/${row.id}`}
        onClick={(event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          onGo(row.id, said[0]?.message_id ?? null);
        }}
      >
        <span class="side-icon" aria-hidden="true">
          {roleCalled(row.role)?.icon ?? ""}
        </span>
        <span class="side-title">{title ? <Marked match={title} /> : row.title || t("conversation.untitled")}</span>
      </a>
      {said.map((match) => (
        <button
          key={match.message_id}
          type="button"
          class="found-match"
          onClick={() => onGo(row.id, match.message_id)}
        >
          <Marked match={match} />
        </button>
      ))}
    </li>
  );
}

/** Text and marks; what the server sends is never read as HTML. */
function Marked({ match }: { match: Match }) {
  return (
    <>
      {marked(match.excerpt, match.highlights).map(({ text, isMarked }, index) =>
        isMarked ? <mark key={index}>{text}</mark> : text,
      )}
    </>
  );
}
