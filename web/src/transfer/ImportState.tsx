import type { ImportReport, Skipped } from "../api/contract.ts";
import { formatName, refusalOf, wordFor } from "./importReport.ts";
import { cancelImport, forgetImport, importing } from "./importing.ts";
import { languageTag, t } from "../session/language.ts";

/** How an import goes, and what came of it. */
export function ImportState() {
  const now = importing.value;
  switch (now.state) {
    case "idle":
      return null;
    case "running":
      return now.sent < 1 ? <Sending name={now.name} sent={now.sent} /> : <Reading name={now.name} />;
    case "done":
      return <Report name={now.name} report={now.report} />;
    case "refused":
      return <Refusal name={now.name} error={now.error} />;
  }
}

function Sending({ name, sent }: { name: string; sent: number }) {
  const label = t("import.sending", { name });
  return (
    <div class="import-state" tabIndex={-1}>
      <p>
        {label} <span class="muted">{t("import.sent", { percent: Math.floor(sent * 100) })}</span>
      </p>
      <progress aria-label={label} value={sent} />
      <div class="export">
        <button type="button" class="button small" onClick={cancelImport}>
          {t("import.cancel")}
        </button>
      </div>
    </div>
  );
}

function Reading({ name }: { name: string }) {
  const label = t("import.reading", { name });
  return (
    <div class="import-state" tabIndex={-1}>
      <p>{label}</p>
      <progress aria-label={label} />
      <p class="muted">{t("import.reading.about")}</p>
    </div>
  );
}

function Report({ name, report }: { name: string; report: ImportReport }) {
  const { format, imported, skipped } = report;
  const figure = (n: number) => n.toLocaleString(languageTag());
  return (
    <div class="import-state" tabIndex={-1}>
      <h4>{t("import.done")}</h4>
      <p class="muted">{t("import.from", { format: formatName(format), name })}</p>
      <dl class="import-counts">
        {(["conversations", "messages", "personas", "extended"] as const).map((what) => {
          const count = imported[what];
          return typeof count !== "number" ? null : (
            <div key={what}>
              <dt>{t(`import.${what}`)}</dt>
              <dd>{figure(count)}</dd>
            </div>
          );
        })}
      </dl>
      {skipped.length === 0 ? (
        <p class="muted">{t("import.skipped.nothing")}</p>
      ) : (
        <details class="import-skipped">
          <summary>
            {t("import.skipped")} <span class="muted">{figure(skipped.reduce((sum, { count }) => sum + count, 0))}</span>
          </summary>
          <ul>
            {skipped.map((row) => (
              <SkippedRow key={`${row.what} ${row.reason}`} row={row} />
            ))}
          </ul>
        </details>
      )}
      <Another />
    </div>
  );
}

function SkippedRow({ row: { what, reason, count, example } }: { row: Skipped }) {
  const whatKey = wordFor("what", what);
  const whyKey = wordFor("why", reason);
  return (
    <li>
      <span class="import-count">{count.toLocaleString(languageTag())}</span>
      <span>
        {t("import.skipped.row", { what: whatKey ? t(whatKey) : what, reason: whyKey ? t(whyKey) : reason })}
        {example && (
          <span class="import-example" dir="auto">
            {example}
          </span>
        )}
      </span>
    </li>
  );
}

function Refusal({ name, error }: { name: string; error: unknown }) {
  const { key, code, detail } = refusalOf(error);
  return (
    <div class="import-state" tabIndex={-1}>
      <h4>{t("import.refused")}</h4>
      <p class="muted">{name}</p>
      <p class="dialog-trouble">{t(key)}</p>
      {detail !== "" && (
        <p class="muted" lang="en">
          {detail}
        </p>
      )}
      {code !== null && <p class="muted">{t("refusal.code", { code })}</p>}
      <Another />
    </div>
  );
}

function Another() {
  return (
    <div class="export">
      <button type="button" class="button small" onClick={forgetImport}>
        {t("import.another")}
      </button>
    </div>
  );
}
