import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";

import { Api } from "../src/api/client.ts";
import { follow, type FollowOptions } from "../src/stream/follow.ts";
import { Problem } from "../src/api/problem.ts";
import { EMPTY_REPLY, foldTurn } from "../src/stream/turn.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** A real server that answers its first request with the first of `answers`, and so on; the last one stays. */
async function serve(...answers: Answer[]): Promise<{ api: Api; cursors: (string | undefined)[] }> {
  const cursors: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    cursors.push(request.headers["last-event-id"]?.toString());
    answers[Math.min(cursors.length, answers.length) - 1]?.(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { api: new Api(() => "en", (url, init) => fetch(`${origin}${url}`, init)), cursors };
}

const piece = (id: number, content: string) => `id: t:1-${id}\ndata: ${JSON.stringify({ content })}\n\n`;
const end = (id: number) => `id: t:1-${id}\nevent: end\ndata: {"status":"done","length":0,"sha256":""}\n\n`;
const stream = (...parts: string[]): Answer => (_, response) => {
  response.writeHead(200, { "Content-Type": "text/event-stream" }).end(parts.join(""));
};
const refuse = (status: number, code: string): Answer => (_, response) => {
  response.writeHead(status, { "Content-Type": "application/problem+json" }).end(JSON.stringify({ status, code }));
};

async function read(api: Api, options: Partial<FollowOptions> = {}) {
  const connection: boolean[] = [];
  let reply = EMPTY_REPLY;
  const events = follow(api, "/events", {
    signal: new AbortController().signal,
    onConnection: (connected) => connection.push(connected),
    rest: async () => {},
    ...options,
  });
  for await (const event of events) reply = foldTurn(reply, event);
  return { reply, connection };
}

describe("following a turn", () => {
  test("resumes after the last id on every new connection, without gap or double", async () => {
    const { api, cursors } = await serve(
      stream(piece(1, "a"), piece(2, "b")),
      (_, response) => response.destroy(),
      stream(piece(3, "c"), 'id: t:1-4\ndata: {"content":"cut off'),
      refuse(502, ""),
      stream(piece(4, "d"), end(5)),
    );
    const { reply, connection } = await read(api);
    expect(reply.content).toBe("abcd");
    expect(reply.end?.status).toBe("done");
    expect(cursors).toEqual([undefined, "t:1-2", "t:1-2", "t:1-3", "t:1-3"]);
    expect(connection).toEqual([false, false, true, false, false, true]);
  });

  test("ends at 204", async () => {
    const { api, cursors } = await serve(stream(piece(1, "a")), (_, response) => response.writeHead(204).end());
    expect((await read(api)).reply.content).toBe("a");
    expect(cursors).toHaveLength(2);
  });

  test("hangs up on a silent server and asks again", async () => {
    const { api, cursors } = await serve(
      (_, response) => response.writeHead(200).write(piece(1, "a")),
      () => {},
      stream(piece(2, "b"), end(3)),
    );
    expect((await read(api, { silenceMs: 100 })).reply.content).toBe("ab");
    expect(cursors).toEqual([undefined, "t:1-1", "t:1-1"]);
  });

  test("looks in now and then where all places are taken, and says nothing of a lost connection", async () => {
    const { api, cursors } = await serve(
      (_, response) => response.writeHead(200).write(piece(1, "a")),
      (_, response) => response.writeHead(200).write(piece(2, "b")),
      stream(piece(3, "c"), end(4)),
    );
    let asked = 0;
    let given = 0;
    const takePlace = async () => ((asked += 1) === 1 ? null : () => void (given += 1));
    const { reply, connection } = await read(api, { takePlace, silenceMs: 400 });
    expect(reply.content).toBe("abc");
    expect(cursors).toEqual([undefined, "t:1-1", "t:1-2"]);
    // The first was a glance; the second one had a place, and was lost.
    expect(connection).toEqual([false, true]);
    expect(given).toBe(2);
  });

  test("throws what waiting would not change", async () => {
    const { api } = await serve(refuse(404, "turn_not_found"));
    await expect(read(api)).rejects.toMatchObject({ code: "turn_not_found", status: 404 } satisfies Partial<Problem>);
  });

  test("stops when it is told to", async () => {
    const stop = new AbortController();
    const { api, cursors } = await serve((_, response) => {
      response.writeHead(200).write(piece(1, "a"));
      setImmediate(() => stop.abort());
    });
    await read(api, { signal: stop.signal });
    expect(cursors).toHaveLength(1);
  });

  test("a character cut in the middle of its bytes arrives whole", async () => {
    const bytes = Buffer.from(piece(1, "连🪷话") + end(2));
    const { api } = await serve(async (_, response) => {
      response.writeHead(200);
      for (const byte of bytes) await new Promise((next) => response.write(Uint8Array.of(byte), next));
      response.end();
    });
    expect((await read(api)).reply.content).toBe("连🪷话");
  });
});
