import type { Api } from "./api.ts";
import { backoffMs, rest } from "./backoff.ts";
import { isPassing, Problem, Unreachable } from "./problem.ts";
import { createSseParser } from "./sse.ts";
import { readTurnEvent, type TurnEvent } from "./turn.ts";

/** The server sends at least a comment every 15 s; more than two of them missing means that nobody is there. */
const SILENCE_MS = 40_000;
/** What the server's own `retry:` says, until it has said so. */
const FIRST_WAIT_MS = 1_500;

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** Called with false when the connection is lost, and with true once events flow again. */
  readonly onConnection?: (connected: boolean) => void;
  readonly silenceMs?: number;
  readonly rest?: typeof rest;
}

/**
 * The events of a turn, from its beginning to its `end`, over as many connections as it takes: each one continues after
 * the last id that was seen, so that nothing is missed and nothing comes twice.
 *
 * Ends after `end`, at 204 (the turn is over and nothing is missing) and when `signal` aborts. Throws the `Problem`
 * of an answer that waiting would not change, such as 404.
 */
export async function* follow(
  api: Pick<Api, "openEvents">,
  url: string,
  options: FollowOptions,
): AsyncGenerator<TurnEvent, void> {
  const { signal, onConnection, silenceMs = SILENCE_MS } = options;
  let cursor = "";
  let retryMs = FIRST_WAIT_MS;
  let failures = 0;

  while (!signal.aborted) {
    let waitAtLeastMs = 0;
    const connection = connect(signal, silenceMs);
    try {
      const response = await connection.inTime(api.openEvents(url, cursor, connection.signal));
      if (response === null) return;
      const parser = createSseParser();
      for await (const text of readText(response, connection.inTime)) {
        for (const event of parser.feed(text)) {
          if (failures > 0) onConnection?.(true);
          failures = 0;
          retryMs = parser.retryMs ?? retryMs;
          const turnEvent = readTurnEvent(event);
          if (turnEvent !== null) yield turnEvent;
          cursor = event.id;
          if (turnEvent?.type === "end") return;
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isPassing(error)) throw error;
      if (error instanceof Problem) waitAtLeastMs = (error.retryAfterS ?? 0) * 1000;
    } finally {
      connection.hangUp();
    }
    onConnection?.(false);
    await (options.rest ?? rest)(Math.max(waitAtLeastMs, backoffMs(failures, retryMs)), signal);
    failures += 1;
  }
}

interface Connection {
  readonly signal: AbortSignal;
  readonly hangUp: () => void;
  /** The answer, or its failure because the connection was hung up after `silenceMs` without one. */
  readonly inTime: <T>(answer: Promise<T>) => Promise<T>;
}

function connect(until: AbortSignal, silenceMs: number): Connection {
  const connection = new AbortController();
  const abort = () => connection.abort();
  until.addEventListener("abort", abort);
  return {
    signal: connection.signal,
    hangUp() {
      until.removeEventListener("abort", abort);
      abort();
    },
    inTime(answer) {
      const silence = setTimeout(abort, silenceMs);
      return answer.finally(() => clearTimeout(silence));
    },
  };
}

async function* readText(response: Response, inTime: Connection["inTime"]): AsyncGenerator<string, void> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  while (true) {
    const chunk = await inTime(reader.read()).catch((error: unknown) => {
      throw new Unreachable(error);
    });
    if (chunk.done) return;
    yield decoder.decode(chunk.value, { stream: true });
  }
}
