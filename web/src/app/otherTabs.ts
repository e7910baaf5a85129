import { ANYTHING, followChanges, type News } from "../stream/changes.ts";
import { INSTANCE } from "../browser/instance.ts";
import { takeLead, whileShown } from "../browser/tabs.ts";
import { start } from "../catalog/start.ts";
import { conversation } from "../session/conversations.ts";
import { catchUp } from "../thread/visit.ts";

/** What belongs together arrives together: the end of a turn and the change of its conversation. */
const TOGETHER_MS = 300;

let timer: ReturnType<typeof setTimeout> | undefined;
let isChanged = false;

function hear({ id, isTurn }: News): void {
  isChanged ||= !isTurn && (id === null || id === conversation.peek()?.id);
  clearTimeout(timer);
  timer = setTimeout(() => {
    // A tab that nobody sees catches up when it is seen.
    if (document.visibilityState !== "visible") return;
    void catchUp(isChanged);
    isChanged = false;
  }, TOGETHER_MS);
}

/**
 * Other tabs and devices change conversations too. One tab of a browser listens and tells the others, for on HTTP/1.1 a
 * browser has six connections to a server and no more. Where pages cannot agree on one, each catches up when it is seen.
 */
export async function stayLevel(): Promise<void> {
  await start();
  whileShown(share);
  // What happened while the reader was elsewhere, nobody has told this page.
  addEventListener("pageshow", ({ persisted }) => persisted && hear(ANYTHING));
}

function share(left: AbortSignal): void {
  const tabs = new BroadcastChannel(INSTANCE);
  tabs.onmessage = ({ data }: MessageEvent<News | null>) => hear(data ?? ANYTHING);
  left.addEventListener("abort", () => tabs.close());

  const listen = () =>
    followChanges((news) => {
      tabs.postMessage(news);
      hear(news);
    }, left);
  takeLead(INSTANCE, left, listen);
}
