import { createHash } from "node:crypto";

import { describe, expect, test } from "vitest";

import { Api } from "../src/api/client.ts";
import { exported } from "../src/api/conversations.ts";
import { isPassing, missingMessage, Problem, Unreachable } from "../src/api/problem.ts";

const answering = (response: () => Response | Promise<Response>, seen: Request[] = []) =>
  new Api(
    () => "zh",
    async (url, init) => {
      seen.push(new Request(new URL(String(url), "http://lianhua.test/x/y/"), init));
      return response();
    },
  );

const caught = (promise: Promise<unknown>) => promise.then(() => null, (error: unknown) => error);

function sealedBy(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return `"bytes":${bytes.length},"sha256":"${createHash("sha256").update(bytes).digest("hex")}"`;
}

/** A file as the server ends it. */
const sealed = (text: string) => `${text}"end":{"conversations":0,${sealedBy(text)}}}\n`;

describe("the client", () => {
  test("names the language, the key and the body of a turn", async () => {
    const seen: Request[] = [];
    const started = { turn_id: "t", user_message_id: "u", reply_message_id: "r", events_url: "/e" };
    const api = answering(() => Response.json(started, { status: 202 }), seen);
    expect(await api.startTurn("a/b", "key-1", { message: "你好", parent_id: "p" })).toEqual(started);
    const [request] = seen;
    expect(request?.url).toBe("http://lianhua.test/x/y/api/conversations/a%2Fb/turns");
    expect(request?.headers.get("Idempotency-Key")).toBe("key-1");
    expect(request?.headers.get("Accept-Language")).toBe("zh");
    expect(await request?.json()).toEqual({ message: "你好", parent_id: "p" });
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

  test("a message that is gone is told from what else can be wrong", async () => {
    const refused = (field: string) => Response.json({ code: "invalid_request", errors: [{ field }] }, { status: 422 });
    const key = async (field: string) => missingMessage(await caught(answering(() => refused(field)).roles()));
    expect(await Promise.all(["parent_id", "edit", "message"].map(key))).toEqual(["parent_id", "edit", null]);
    expect(missingMessage(new Unreachable(null))).toBe(null);
  });

  test.each([
    ["attachment; filename=\"_.json\"; filename*=UTF-8''%E6%9D%AD%E5%B7%9E.json", "杭州.json"],
    ["attachment; filename*=UTF-8''%E6%9D", "conversation.json"],
    ["attachment", "conversation.json"],
    [null, "conversation.json"],
  ])("%s names the file %s", async (disposition, name) => {
    const headers = disposition === null ? {} : { "Content-Disposition": disposition };
    const seen: Request[] = [];
    const whole = sealed('{"conversations":[\n],\n');
    const file = await exported(answering(() => new Response(whole, { headers }), seen), "a", "json");
    expect([file.name, await file.content.text()]).toEqual([name, whole]);
    expect(seen[0]?.url).toBe("http://lianhua.test/x/y/api/conversations/a/export?format=json");
  });

  test.each([
    ["nothing", ""],
    ["what is no export", "{}"],
    ["one that ends in its middle", sealed("{…\n").slice(0, 40)],
    ["one without its beginning", sealed("{…\n").slice(1)],
    ["one with another beginning", sealed("{…\n").replace("{", "[")],
    ["Markdown without its end", "# A title\n"],
  ])("a body that ends as if it were whole, but is %s, is none", async (_, body) => {
    expect(await caught(exported(answering(() => new Response(body)), "a", "markdown"))).toBeInstanceOf(Unreachable);
  });

  test("Markdown says where it ends as well", async () => {
    const text = "# 标题\n";
    const whole = `${text}<!-- end {${sealedBy(text)}} -->\n`;
    const file = await exported(answering(() => new Response(whole)), "a", "markdown");
    expect(await file.content.text()).toBe(whole);
  });

  test("half a file is none", async () => {
    const half = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode("{"));
        controller.error(new TypeError("cut"));
      },
    });
    expect(await caught(exported(answering(() => new Response(half)), "a", "json"))).toBeInstanceOf(Unreachable);
  });
});
