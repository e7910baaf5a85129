import { useState } from "preact/hooks";

import { change, conversation } from "../session/conversations.ts";
import { t } from "../session/language.ts";
import { chooseModel, loadModels, modelFor, models } from "../catalog/models.ts";
import { goTo } from "../session/route.ts";
import { chooseRole, loadRoles, roleHere, roles } from "../catalog/roles.ts";
import { messages } from "../thread/thread.ts";
import { Choice } from "../ui/Choice.tsx";
import { isDrawerOpen, isNarrow } from "../ui/drawer.ts";
import { ClearIcon, MenuIcon, PlusIcon } from "../ui/icons.tsx";
import { DeferredView } from "../ui/lazy.tsx";

export function Header() {
  const title = conversation.value === null ? t("app.name") : conversation.value.title || t("conversation.untitled");
  return (
    <header class="head">
      {isNarrow.value && (
        <button
          type="button"
          class="icon-button"
          aria-label={t("side.open")}
          aria-expanded={isDrawerOpen.value}
          onClick={() => (isDrawerOpen.value = true)}
        >
          <MenuIcon />
        </button>
      )}
      <h1 class="head-title" title={title}>
        {title}
      </h1>
      <div class="head-choices">
        <RoleChoice />
        <ModelChoice />
      </div>
      <Tools />
    </header>
  );
}

function Tools() {
  const [isAsking, setIsAsking] = useState(false);
  const close = () => setIsAsking(false);
  return (
    <div class="head-tools">
      {isNarrow.value && (
        <button type="button" class="icon-button" aria-label={t("conversation.new")} onClick={() => goTo(null)}>
          <PlusIcon />
        </button>
      )}
      <button
        type="button"
        class="icon-button"
        aria-label={t("conversation.clear")}
        title={t("conversation.clear")}
        aria-haspopup="dialog"
        disabled={messages.value.length === 0}
        onClick={() => setIsAsking(true)}
      >
        <ClearIcon />
      </button>
      {isAsking && <DeferredView onMissing={close}>{({ ClearDialog }) => <ClearDialog onClose={close} />}</DeferredView>}
    </div>
  );
}

function RoleChoice() {
  if (roles.value.length === 0) return null;
  const choose = (role: string) => {
    chooseRole(role);
    void changeShown({ role });
  };
  const options = (isOwn: boolean) =>
    roles.value
      .filter(([, { own }]) => own === isOwn)
      .map(([id, { icon, name }]) => (
        <option key={id} value={id}>
          {icon} {name}
        </option>
      ));
  const own = options(true);
  return (
    <Choice label={t("role.label")} value={roleHere()} onChoose={choose}>
      {options(false)}
      {own.length > 0 && <optgroup label={t("role.own")}>{own}</optgroup>}
    </Choice>
  );
}

function ModelChoice() {
  const model = modelFor(conversation.value?.model);
  if (model === undefined) return null;
  if (models.value.length === 1) {
    return (
      <span class="model-label" title={model.note ?? t("model.label")}>
        {model.name}
      </span>
    );
  }
  const choose = (model: string) => {
    chooseModel(model);
    void changeShown({ model });
  };
  return (
    <Choice label={t("model.label")} value={model.id} onChoose={choose}>
      {models.value.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </Choice>
  );
}

/** A choice holds for the conversation on the page from its next reply on. */
async function changeShown(fields: { role: string } | { model: string }): Promise<void> {
  const shown = conversation.peek();
  if (shown === null) return;
  const changed = await change(shown.id, fields);
  // What was refused may not be there any more.
  if (changed === null) void ("role" in fields ? loadRoles() : loadModels());
  // Where it failed, this draws the choice as it still is.
  if (conversation.peek()?.id === shown.id) conversation.value = changed ?? { ...shown };
}
