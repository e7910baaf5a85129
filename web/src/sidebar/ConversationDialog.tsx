import { useEffect, useState } from "preact/hooks";

import type { Conversation, ConversationChange, ExportFormat } from "../api/contract.ts";
import { estimated, money } from "../usage/figures.ts";
import { change } from "../session/conversations.ts";
import { exportConversation } from "../transfer/exporting.ts";
import { languageTag, t } from "../session/language.ts";
import { api } from "../session/client.ts";
import { trouble } from "../session/status.ts";
import { currency, loadCurrency } from "../usage/usage.ts";
import { isComposing } from "../browser/composing.ts";
import { Dialog } from "../ui/Dialog.tsx";
import { expiry } from "./expiry.ts";

interface ConversationDialogProps {
  readonly conversation: Conversation;
  readonly onChanged: (conversation: Conversation) => void;
  readonly onDelete: () => void;
  readonly onClose: () => void;
}

/** Everything that can be done with one conversation: its title, its pin, its end. */
export function ConversationDialog({ conversation, onChanged, onDelete, onClose }: ConversationDialogProps) {
  // As it was when the reader saw it: what changes elsewhere meanwhile is not taken back.
  const [before] = useState(conversation);
  const [title, setTitle] = useState(before.title);
  const [pinned, setPinned] = useState(before.pinned);
  const [state, setState] = useState<"open" | "saving" | "failed">("open");

  const save = async () => {
    if (state === "saving") return;
    const wanted = title.trim();
    const fields: ConversationChange = {
      ...(wanted !== "" && wanted !== before.title ? { title: wanted } : {}),
      ...(pinned !== before.pinned ? { pinned } : {}),
    };
    if (Object.keys(fields).length === 0) return onClose();
    setState("saving");
    const changed = await change(conversation.id, fields);
    if (changed === null) return setState("failed");
    onChanged(changed);
    onClose();
  };

  return (
    <Dialog title={t("conversation.options")} onClose={onClose}>
      <label class="field">
        <span>{t("conversation.title")}</span>
        <input
          type="text"
          value={title}
          maxLength={200}
          onInput={(event) => setTitle(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || isComposing(event)) return;
            // The focus is back on the opener before this key comes up: it would press it.
            event.preventDefault();
            void save();
          }}
        />
      </label>
      <label class="check">
        <input type="checkbox" checked={pinned} onChange={(event) => setPinned(event.currentTarget.checked)} />
        <span>{t("conversation.pin")}</span>
      </label>
      {state === "failed" && (
        <p class="dialog-trouble" role="alert">
          {trouble.value}
        </p>
      )}
      <p class="muted">{expiry(conversation)}</p>
      <UsageLine conversation={conversation} />
      <ExportButtons id={conversation.id} />
      <div class="dialog-actions">
        <button type="button" class="button danger quiet" onClick={onDelete}>
          {t("conversation.delete")}
        </button>
        <span class="spring" />
        <button type="button" class="button" onClick={onClose}>
          {t("dialog.cancel")}
        </button>
        <button type="button" class="button primary" onClick={save}>
          {t("conversation.save")}
        </button>
      </div>
    </Dialog>
  );
}

/** What all turns of the conversation have used. Read anew: a turn counts a moment after its end. */
function UsageLine({ conversation }: { conversation: Conversation }) {
  const [usage, setUsage] = useState(conversation.usage);
  useEffect(() => {
    void api.conversation(conversation.id).then(({ usage }) => setUsage(usage), () => {});
  }, [conversation.id]);
  const { turns, prompt_tokens, completion_tokens, cost } = usage;
  useEffect(() => {
    if (cost !== null) void loadCurrency();
  }, [cost]);
  const figure = (n: number) => n.toLocaleString(languageTag());
  const guess = estimated(usage);
  return (
    <p class="muted">
      {t("conversation.usage", { turns: figure(turns), in: figure(prompt_tokens), out: figure(completion_tokens) })}
      {guess !== "none" && t(`conversation.usage.${guess}`)}
      {cost !== null &&
        currency.value !== null &&
        t("conversation.usage.cost", { cost: money(cost, languageTag()), currency: currency.value })}
    </p>
  );
}

function ExportButtons({ id }: { id: string }) {
  const [state, setState] = useState<"idle" | "running" | "failed">("idle");
  const take = (format: ExportFormat) => async () => {
    if (state === "running") return;
    setState("running");
    await exportConversation(id, format).then(
      () => setState("idle"),
      () => setState("failed"),
    );
  };
  return (
    <div class="field">
      <span id="export">{t("export.title")}</span>
      <div class="export" role="group" aria-labelledby="export">
        <button type="button" class="button small" aria-disabled={state === "running"} onClick={take("markdown")}>
          {t("export.markdown")}
        </button>
        <button type="button" class="button small" aria-disabled={state === "running"} onClick={take("json")}>
          {t("export.json")}
        </button>
      </div>
      {state === "failed" && (
        <p class="dialog-trouble" role="alert">
          {t("export.failed")}
        </p>
      )}
    </div>
  );
}
