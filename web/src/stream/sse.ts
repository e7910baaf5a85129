/** One dispatched event of a `text/event-stream`; `event` is `"message"` where the stream named none. */
export interface SseEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

export interface SseParser {
  /** Takes the next decoded text, cut anywhere, and returns the events that it completed. */
  feed(text: string): SseEvent[];
  /** The last `retry:` of the stream in milliseconds, or null while there was none. */
  readonly retryMs: number | null;
}

/**
 * An incremental parser after the WHATWG rules (html.spec.whatwg.org, "Interpreting an event stream"): CR, LF and CRLF
 * end a line, one leading BOM is dropped, an id lasts until the next one, an event without data is not dispatched.
 * It knows no network: text in, events out.
 */
export function createSseParser(): SseParser {
  let rest = "";
  let atStart = true;
  let endedInCr = false;
  let retryMs: number | null = null;
  let lastId = "";
  let event = "";
  let data: string[] = [];

  function takeLine(line: string): SseEvent | null {
    if (line === "") return dispatch();
    if (line.startsWith(":")) return null;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") data.push(value);
    else if (field === "event") event = value;
    else if (field === "id" && !value.includes("\0")) lastId = value;
    else if (field === "retry" && /^\d+$/.test(value)) retryMs = Number(value);
    return null;
  }

  function dispatch(): SseEvent | null {
    const complete = data.length > 0 ? { id: lastId, event: event || "message", data: data.join("\n") } : null;
    event = "";
    data = [];
    return complete;
  }

  function feed(text: string): SseEvent[] {
    if (text === "") return [];
    if (atStart && text.startsWith("\uFEFF")) text = text.slice(1);
    atStart = false;
    // A CRLF cut between its two characters is still one line end.
    if (endedInCr && text.startsWith("\n")) text = text.slice(1);
    endedInCr = text.endsWith("\r");

    const lines = (rest + text).split(/\r\n|\r|\n/);
    rest = lines.pop() ?? "";
    return lines.map(takeLine).filter((complete) => complete !== null);
  }

  return {
    feed,
    get retryMs() {
      return retryMs;
    },
  };
}
