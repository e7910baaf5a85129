/** The server sends an event at once and then at least every 15 s; more than two of them missing means that nobody is there. */
const SILENCE_MS = 40_000;
/** An `EventSource` does not come back by itself after an answer such as 503. */
const REOPEN_MS = 15_000;

/** What happened: to which conversation (null: perhaps to any), and whether it was only that a turn started or ended. */
export interface News {
  readonly id: string | null;
  readonly isTurn: boolean;
}

export const ANYTHING: News = { id: null, isTurn: false };

/**
 * Tells what happens to the conversations of this user, until `left` aborts. A connection that has gone deaf, as some
 * proxies leave one behind, is given up; the next one goes on after the last event that was heard.
 */
export function followChanges(
  tell: (news: News) => void,
  left: AbortSignal,
  Source: typeof EventSource = EventSource,
): void {
  let last = "";

  function listen(): void {
    const source = new Source(last === "" ? "api/events" : `api/events?after=${encodeURIComponent(last)}`);
    let deaf: ReturnType<typeof setTimeout>;
    const close = () => {
      source.close();
      clearTimeout(deaf);
    };
    left.addEventListener("abort", close, { once: true });
    const reopen = (afterMs: number) => {
      close();
      left.removeEventListener("abort", close);
      setTimeout(() => {
        if (left.aborted) return;
        listen();
        // Without a place to go on from, everything may have been missed.
        if (last === "") tell(ANYTHING);
      }, afterMs);
    };
    const heard = ({ lastEventId }: MessageEvent<string>) => {
      last = lastEventId;
      clearTimeout(deaf);
      deaf = setTimeout(reopen, SILENCE_MS, 0);
    };
    const read = (isTurn: boolean) => (event: MessageEvent<string>) => {
      heard(event);
      tell({ id: JSON.parse(event.data).conversation_id, isTurn });
    };
    deaf = setTimeout(reopen, SILENCE_MS, 0);
    source.addEventListener("alive", heard);
    source.addEventListener("conversation", read(false));
    source.addEventListener("turn", read(true));
    source.onerror = () => {
      if (source.readyState !== Source.CLOSED) return;
      // It does not say why it was refused; whoever asks anything else now hears of it, as that a login has ended.
      tell(ANYTHING);
      reopen(REOPEN_MS);
    };
  }
  listen();
}
