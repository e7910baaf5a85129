import { listState } from "../session/conversations.ts";
import { t } from "../session/language.ts";
import { roleCalled, roleHere } from "../catalog/roles.ts";
import { send } from "./sending.ts";
import { Lotus } from "../ui/icons.tsx";

/** What stands where nothing has been said yet: what this is, who answers, and three ways to begin. */
export function EmptyThread() {
  // Nothing that would be pushed aside when the personas come, which is with the list.
  if (listState.value === "loading") return null;
  const role = roleCalled(roleHere());
  return (
    <div class="empty">
      <div class="empty-icon" aria-hidden="true">
        {role?.icon || <Lotus />}
      </div>
      <p class="empty-welcome">{role?.welcome ?? ""}</p>
      <p class="empty-about">{t("app.about")}</p>
      {role !== null && role.suggestions.length > 0 && (
        <ul class="suggestions" aria-label={t("suggestions.label")}>
          {role.suggestions.map((suggestion) => (
            <li key={suggestion}>
              <button type="button" class="suggestion" onClick={() => void send(suggestion)}>
                {suggestion}
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
