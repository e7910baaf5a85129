import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { exportEverything } from "./exporting.ts";
import { importFile, importing, isUnknownKept } from "./importing.ts";
import { t } from "../session/language.ts";
import { ImportState } from "./ImportState.tsx";
import { PanelDialog } from "../ui/PanelDialog.tsx";
import "./texts.ts";

/** Everything out as one file, and a file in. */
export function TransferDialog() {
  return (
    <PanelDialog title={t("more.transfer")}>
      <Export />
      <Import />
    </PanelDialog>
  );
}

function Export() {
  const [state, setState] = useState<"idle" | "running" | "done" | "failed">("idle");
  const run = async () => {
    if (state === "running") return;
    setState("running");
    await exportEverything().then(
      () => setState("done"),
      () => setState("failed"),
    );
  };
  return (
    <section class="transfer">
      <h3>{t("export.title")}</h3>
      <p class="muted">{t("export.all.about")}</p>
      <div class="export">
        <button type="button" class="button" aria-disabled={state === "running"} onClick={run}>
          {t("export.all")}
        </button>
      </div>
      <p class={state === "failed" ? "dialog-trouble" : "muted"} role="status">
        {state === "running" && t("export.running")}
        {state === "done" && t("export.all.done")}
        {state === "failed" && t("export.failed")}
      </p>
    </section>
  );
}

function Import() {
  const section = useRef<HTMLElement>(null);
  const isOver = useDroppedFiles(section);
  const now = importing.value;
  const phase = now.state === "running" && now.sent === 1 ? "reading" : now.state;

  // The button that had the focus may be gone with the phase that it ended.
  useLayoutEffect(() => {
    if (document.activeElement !== document.body) return;
    section.current?.querySelector<HTMLElement>(phase === "idle" ? "button" : ".import-state")?.focus();
  }, [phase]);

  return (
    <section class="transfer" ref={section}>
      <h3>{t("import.title")}</h3>
      <p class="muted">{t("import.about")}</p>
      {phase === "idle" && (
        <>
          <FilePicker isOver={isOver} />
          <label class="check">
            <input
              type="checkbox"
              checked={isUnknownKept.value}
              onChange={(event) => (isUnknownKept.value = event.currentTarget.checked)}
            />
            <span>{t("import.keep")}</span>
          </label>
        </>
      )}
      <ImportState />
    </section>
  );
}

/**
 * Imports a file that is dropped anywhere in the dialog, or beside it: elsewhere the browser would leave the page for it.
 * Whether one is held over it.
 */
function useDroppedFiles(section: RefObject<HTMLElement | null>): boolean {
  const [isOver, setIsOver] = useState(false);
  useEffect(() => {
    const dialog = section.current?.closest("dialog");
    const listening = new AbortController();
    const { signal } = listening;
    const over = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setIsOver(true);
    };
    const drop = (event: DragEvent) => {
      setIsOver(false);
      const file = event.dataTransfer?.files[0];
      if (file === undefined) return;
      event.preventDefault();
      void importFile(file);
    };
    dialog?.addEventListener("dragover", over, { signal });
    dialog?.addEventListener("dragleave", () => setIsOver(false), { signal });
    dialog?.addEventListener("drop", drop, { signal });
    return () => listening.abort();
  }, []);
  return isOver;
}

function FilePicker({ isOver }: { isOver: boolean }) {
  const picker = useRef<HTMLInputElement>(null);
  return (
    <div class={isOver ? "drop over" : "drop"}>
      <button type="button" class="button" onClick={() => picker.current?.click()}>
        {t("import.choose")}
      </button>
      <span class="muted">{t("import.drop")}</span>
      <input
        ref={picker}
        type="file"
        accept=".json,.jsonl,.zip,.html,application/json,application/zip,text/html"
        hidden
        onChange={({ currentTarget }) => {
          const file = currentTarget.files?.[0];
          if (file !== undefined) void importFile(file);
        }}
      />
    </div>
  );
}
