import { describe, expect, test } from "vitest";

import { Api } from "../src/core/api.ts";
import { isPassing, Problem, Unreachable } from "../src/core/problem.ts";

const answering = (response: () => Response | Promise<Response>, seen: Request[] = []) =>
  new Api(
    () => "zh",
    async (url, init) => {
      seen.push(new Request(`http://lianhua.test${url}`, init));
      return response();
    },
  );

const caught = (promise: Promise<unknown>) => promise.then(() => null, (error: unknown) => error);

describe("the client", () => {
  test("names the language, the key and the body of a turn", async () => {
    const seen: Request[] = [];
    const started = { turn_id: "t", user_message_id: "u", reply_message_id: "r", events_url: "/e" };
    const api = answering(() => Response.json(started, { status: 202 }), seen);
    expect(await api.startTurn("a/b", "key-1", "你好")).toEqual(started);
    const [request] = seen;
    expect(request?.url).toBe("http://lianhua.test/api/conversations/a%2Fb/turns");
    expect(request?.headers.get("Idempotency-Key")).toBe("key-1");
    expect(request?.headers.get("Accept-Language")).toBe("zh");
    expect(await request?.json()).toEqual({ message: "你好" });
  });

  test("a refusal becomes a problem with its code, its detail and its wait", async () => {
    const body = { code: "rate_limited", detail: "slowly", title: "Too many", running_turn_id: "t1" };
    const api = answering(() => Response.json(body, { status: 429, headers: { "Retry-After": "7" } }));
    const error = await caught(api.roles());
    expect(error).toMatchObject({ status: 429, code: "rate_limited", detail: "slowly", retryAfterS: 7, runningTurnId: "t1" });
    expect(isPassing(error)).toBe(true);
  });

  test("a proxy's HTML page is a problem as well", async () => {
    const api = answering(() => new Response("<h1>Bad Gateway</h1>", { status: 502 }));
    const error = await caught(api.models());
    expect(error).toBeInstanceOf(Problem);
    expect(error).toMatchObject({ code: "http_502", retryAfterS: null });
  });

  test("no server, and an answer that breaks off, are both unreachable", async () => {
    const gone = answering(() => Promise.reject(new TypeError("fetch failed")));
    expect(await caught(gone.roles())).toBeInstanceOf(Unreachable);
    const cut = answering(() => new Response('{"roles": '));
    expect(await caught(cut.roles())).toBeInstanceOf(Unreachable);
  });

  test("a page is asked for without the fields that are not given", async () => {
    const seen: Request[] = [];
    const api = answering(() => Response.json({ messages: [], total: 0, next: null }), seen);
    await api.messages("c", null, 20);
    await api.messages("c", "m 1", 20);
    expect(seen.map((request) => new URL(request.url).search)).toEqual(["?limit=20", "?before=m+1&limit=20"]);
  });
});
