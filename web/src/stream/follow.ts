import type { Api } from "../api/client.ts";
import { backoffMs, rest } from "../api/backoff.ts";
import { isPassing, Problem, Unreachable } from "../api/problem.ts";
import { createSseParser } from "./sse.ts";
import { whenLeft } from "../browser/tabs.ts";
import { readTurnEvent, type TurnEvent } from "./turn.ts";

/** The server sends at least a comment every 15 s; more than two of them missing means that nobody is there. */
const SILENCE_MS = 40_000;
/** Pieces that come faster than the page is drawn are read together: each read alone costs as much as a flush. */
const GATHER_MS = 16;
/** What the server's own `retry:` says, until it has said so. */
const FIRST_WAIT_MS = 1_500;
/** Without a place among the streams, a connection is given up after so much silence, and the next one made after a rest. */
const GLANCE_MS = 200;
const BETWEEN_GLANCES_MS = 800;

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** Called with false when the connection is lost, and with true once events flow again. */
  readonly onConnection?: (connected: boolean) => void;
  readonly silenceMs?: number;
  /** Takes a place among the streams that may stay open: what gives it back, or null where there is none. */
  readonly takePlace?: () => Promise<(() => void) | null>;
  readonly rest?: typeof rest;
}

/**
 * The events of a turn, from its beginning to its `end`, over as many connections as it takes: each one continues after
 * the last id that was seen, so that nothing is missed and nothing comes twice.
 *
 * Where all places are taken it looks in now and then instead of keeping a connection from those who need one.
 *
 * Ends after `end`, at 204 (the turn is over and nothing is missing) and when `signal` aborts. Throws the `Problem`
 * of an answer that waiting would not change, such as 404.
 */
export async function* follow(
  api: Pick<Api, "openEvents">,
  url: string,
  options: FollowOptions,
): AsyncGenerator<TurnEvent, void> {
  const { signal, onConnection, silenceMs = SILENCE_MS, takePlace = async () => () => {} } = options;
  let cursor = "";
  let retryMs = FIRST_WAIT_MS;
  let failures = 0;

  while (!signal.aborted) {
    let waitAtLeastMs = 0;
    let isGlance = false;
    const connection = connect(signal);
    // Asked for meanwhile: the first text does not wait for it.
    const place = takePlace();
    try {
      const response = await connection.inTime(api.openEvents(url, cursor, connection.signal), silenceMs);
      if (response === null) return;
      isGlance = (await place) === null;
      const parser = createSseParser();
      for await (const text of readText(response, connection, isGlance ? GLANCE_MS : silenceMs)) {
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
      void place.then((leave) => leave?.());
    }
    if (isGlance) {
      await (options.rest ?? rest)(BETWEEN_GLANCES_MS, signal);
      continue;
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
  readonly inTime: <T>(answer: Promise<T>, silenceMs: number) => Promise<T>;
}

function connect(until: AbortSignal): Connection {
  const connection = new AbortController();
  // What the browser keeps for the way back keeps no connection.
  const abort = whenLeft(() => connection.abort());
  until.addEventListener("abort", abort);
  return {
    signal: connection.signal,
    hangUp() {
      until.removeEventListener("abort", abort);
      abort();
    },
    inTime(answer, silenceMs) {
      const silence = setTimeout(abort, silenceMs);
      return answer.finally(() => clearTimeout(silence));
    },
  };
}

async function* readText(
  response: Response,
  { inTime, signal }: Connection,
  silenceMs: number,
): AsyncGenerator<string, void> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let before = -GATHER_MS;
  let last = 0;
  while (true) {
    // The first piece behind a pause is never held up.
    if (last - before < GATHER_MS) await rest(last + GATHER_MS - performance.now(), signal);
    before = last;
    const chunk = await inTime(reader.read(), silenceMs).catch((error: unknown) => {
      throw new Unreachable(error);
    });
    if (chunk.done) return;
    last = performance.now();
    yield decoder.decode(chunk.value, { stream: true });
  }
}
