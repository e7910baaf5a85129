import { signal } from "@preact/signals";

import { startDownload, stopDownload } from "./downloading.ts";
import { t } from "../session/language.ts";
import { download, isUnderWay, modelFor, sawDownload } from "./models.ts";
import { conversation } from "../session/conversations.ts";
import { CloseIcon } from "../ui/icons.tsx";

const isDismissed = signal(false);

/** How the download of the small model stands. */
export function DownloadBanner() {
  const now = download.value;
  if (now === null) return null;
  if (isUnderWay(now)) return <DownloadProgress />;
  // Old news: it ended before this page was opened, and a model answers.
  if (isDismissed.value || (now.state === "done" && !sawDownload.value)) return null;
  const name = modelFor(conversation.value?.model)?.name ?? "";
  const text = {
    done: () => t("download.done", { name }),
    stopped: () => t("download.stopped"),
    skipped: () => t("download.skipped", { reason: now.reason ?? "" }),
    failed: () => t("download.failed", { reason: now.reason ?? "" }),
  }[now.state as "done" | "stopped" | "skipped" | "failed"]();
  return (
    <p class="banner">
      <span>{text}</span>
      {(now.state === "stopped" || now.state === "failed") && (
        <button type="button" class="button quiet" onClick={startDownload}>
          {t("download.again")}
        </button>
      )}
      <button
        type="button"
        class="icon-button"
        aria-label={t("download.dismiss")}
        onClick={() => (isDismissed.value = true)}
      >
        <CloseIcon />
      </button>
    </p>
  );
}

function DownloadProgress() {
  const now = download.value;
  if (now === null) return null;
  const name = modelFor(conversation.value?.model)?.name ?? "";
  const received = megabytes(now.received_bytes);
  const total = now.total_bytes;
  const text =
    now.state === "waiting"
      ? t("download.waiting")
      : total === null
        ? t("download.running.unknown", { received, name })
        : t("download.running", { received, total: megabytes(total), name });
  return (
    <div class="banner progress">
      <span>{text}</span>
      <progress aria-label={t("download.start")} {...(total === null ? {} : { value: now.received_bytes, max: total })} />
      <button type="button" class="button quiet" onClick={stopDownload}>
        {t("download.stop")}
      </button>
    </div>
  );
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1_000_000);
}
