import { loadConversations } from "./conversations.ts";
import { catchUp } from "./visit.ts";

/** What belongs together arrives together: the end of a turn and the change of its conversation. */
const TOGETHER_MS = 300;
const REOPEN_MS = 15_000;

let timer: ReturnType<typeof setTimeout> | undefined;

function look(): void {
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (document.visibilityState === "visible") void catchUp();
  }, TOGETHER_MS);
}

/**
 * Other tabs and devices change conversations too. One tab of a browser listens and tells the others, for on HTTP/1.1 a
 * browser has six connections to a server and no more. Where pages cannot agree on one, each catches up when it is seen.
 */
export async function stayLevel(): Promise<void> {
  await loadConversations(); // the first answer says who is asking, in a cookie
  const tabs = new BroadcastChannel("lianhua");
  tabs.onmessage = look;

  function listen(): void {
    const source = new EventSource("/api/events");
    const tell = () => {
      tabs.postMessage(null);
      look();
    };
    source.addEventListener("conversation", tell);
    source.addEventListener("turn", tell);
    source.onerror = () => {
      // It comes back by itself, but not after an answer such as 503.
      if (source.readyState === EventSource.CLOSED) setTimeout(() => (listen(), tell()), REOPEN_MS);
    };
  }
  await (navigator.locks as LockManager | undefined)?.request("lianhua", () => new Promise<never>(listen));
}
