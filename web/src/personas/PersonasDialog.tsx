import { useRef, useState } from "preact/hooks";

import "./personas.css";
import type { OwnPersona } from "../api/contract.ts";
import type { PersonaForm as Form } from "./form.ts";
import { edit, isUnsaved, leaveForm, startEdit } from "./personas.ts";
import { t } from "../session/language.ts";
import { isComposing } from "../browser/composing.ts";
import { Dialog } from "../ui/Dialog.tsx";
import { PersonaDelete } from "./PersonaDelete.tsx";
import { PersonaForm } from "./PersonaForm.tsx";
import { PersonaList } from "./PersonaList.tsx";
import "./texts.ts";

/** What the reader does beside the list or the form: each is asked in a dialog above this one. */
type Asking = { readonly about: "discard"; readonly then: () => void } | { readonly about: OwnPersona };

/** The reader's own personas: the list of them, or the form of one. */
export function PersonasDialog({ onClose }: { onClose: () => void }) {
  const content = useRef<HTMLDivElement>(null);
  const [asking, setAsking] = useState<Asking | null>(null);
  // What was done last, and to which persona: the list says so, and the focus goes there.
  const [done, setDone] = useState<{ readonly text: string; readonly id: string | null } | null>(null);
  const [isRestored, setRestored] = useState(edit.peek() !== null);

  const leaveFor = (then: () => void) => {
    const leave = () => {
      leaveForm();
      then();
    };
    if (isUnsaved()) setAsking({ about: "discard", then: leave });
    else leave();
  };
  const close = () => {
    // The browser may have closed it already, before anybody could be asked.
    const dialog = content.current?.closest("dialog");
    if (isUnsaved() && dialog?.open === false) dialog.showModal();
    leaveFor(onClose);
  };
  const open = (form: Form) => {
    setRestored(false);
    startEdit(form);
  };
  const closeByKey = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || isComposing(event)) return;
    event.preventDefault();
    close();
  };

  const form = edit.value?.form;
  const title = t(form === undefined ? "role.own" : form.id === null ? "personas.new" : "personas.form.edit");
  return (
    <>
      <Dialog title={title} onClose={close}>
        <div class="personas" ref={content} onKeyDown={closeByKey}>
          {form === undefined ? (
            <PersonaList done={done} onEdit={open} onDelete={(about) => setAsking({ about })} onClose={onClose} />
          ) : (
            <PersonaForm
              form={form}
              isRestored={isRestored}
              onSaved={({ id, name }) => setDone({ text: t("personas.saved", { name }), id })}
              onCancel={() => leaveFor(() => setDone({ text: "", id: form.id }))}
            />
          )}
        </div>
      </Dialog>
      {asking?.about === "discard" && <DiscardDialog onDiscard={asking.then} onClose={() => setAsking(null)} />}
      {asking !== null && asking.about !== "discard" && (
        <PersonaDelete
          persona={asking.about}
          onDeleted={({ name }) => setDone({ text: t("personas.deleted", { name }), id: null })}
          onClose={() => setAsking(null)}
        />
      )}
    </>
  );
}

function DiscardDialog({ onDiscard, onClose }: { onDiscard: () => void; onClose: () => void }) {
  const discard = () => {
    onClose();
    onDiscard();
  };
  return (
    <Dialog title={t("personas.discard.title")} text={t("personas.discard.text")} onClose={onClose}>
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onClose}>
          {t("personas.discard.keep")}
        </button>
        <button type="button" class="button danger" onClick={discard}>
          {t("personas.discard.confirm")}
        </button>
      </div>
    </Dialog>
  );
}
