import { signal } from "@preact/signals";

import { t } from "../session/language.ts";
import { keep, recall } from "../browser/storage.ts";
import { download, isUnderWay, modelFor } from "./models.ts";
import { conversation } from "../session/conversations.ts";
import { DeferredView } from "../ui/lazy.tsx";

const knowsLocal = signal(recall("knows-local") !== null);

/** Who answers, where that needs saying, and how the download of the small model stands. */
export function Banners() {
  return (
    <div class="banners">
      {download.value !== null && <DeferredView>{({ DownloadBanner }) => <DownloadBanner />}</DeferredView>}
      <ModelBanner />
    </div>
  );
}

function ModelBanner() {
  const model = modelFor(conversation.value?.model);
  // With a download under way, its banner says both who answers now and what will help.
  if (model?.kind === "demo" && isUnderWay(download.value)) return null;
  if (model?.kind === "demo") return <p class="banner warn">{t("model.demo")}</p>;
  if (model?.kind === "scripted") return <p class="banner">{t("model.scripted")}</p>;
  if (model?.kind !== "local" || knowsLocal.value) return null;
  const dismiss = () => {
    knowsLocal.value = true;
    keep("knows-local", "yes");
  };
  return (
    <p class="banner">
      <span>{t("model.local", { name: model.name })}</span>
      <button type="button" class="button quiet" onClick={dismiss}>
        {t("model.local.dismiss")}
      </button>
    </p>
  );
}
