// @vitest-environment jsdom
import { beforeEach, expect, test, vi } from "vitest";

/** A server that keeps its messages in a list. What it is asked with POST is in `asked`. */
function serve() {
  const stored: Record<string, unknown>[] = [];
  const asked: { key: string | null; body: Record<string, unknown> }[] = [];
  const server = { stored, asked, refusal: null as Response | "lost" | null };
  const conversation = { id: "c", title: "", role: "assistant", model: null, updated_at: 1, running_turn_id: null };
  const message = (id: string, role: string, content: string, parent_id: unknown) => {
    stored.push({ id, role, content, parent_id, status: "done", timestamp: 1, siblings: [id] });
  };
  vi.stubGlobal("fetch", async (url: string, { method, body, headers }: RequestInit) => {
    if (url.endsWith("/events")) return new Response(reply(stored.length), { headers: { "Content-Type": "text/event-stream" } });
    if (url.includes("/messages")) return Response.json({ messages: stored, total: stored.length, next: null });
    if (method === "GET") return Response.json({ ...conversation, conversations: [] });
    if (url.endsWith("/conversations")) return Response.json(conversation);
    const sent = JSON.parse(String(body));
    asked.push({ key: new Headers(headers).get("Idempotency-Key"), body: sent });
    if (server.refusal === "lost") throw new TypeError("lost");
    if (server.refusal !== null) return server.refusal.clone();
    const [user, assistant] = [`m${stored.length}`, `m${stored.length + 1}`];
    message(user, "user", sent.message, sent.parent_id ?? null);
    message(assistant, "assistant", "", user);
    return Response.json({ turn_id: "t", user_message_id: user, reply_message_id: assistant });
  });
  return server;
}

function reply(count: number): string {
  const names = { turn_id: "t", user_message_id: `m${count - 2}`, reply_message_id: `m${count - 1}`, model: "told" };
  const end = { status: "done", length: 0, sha256: "" };
  return `id: t:1-0\nevent: turn\ndata: ${JSON.stringify(names)}\n\nid: t:1-1\nevent: end\ndata: ${JSON.stringify(end)}\n\n`;
}

/** The page's state, freshly loaded, as a reader who comes to conversation `id` finds it. */
async function visit(id: string | null) {
  vi.resetModules();
  const [{ visit }, { send }, { messages }, { draft }, { trouble }, { DEFERRED }, { addTexts }] = await Promise.all([
    import("../src/thread/visit.ts"),
    import("../src/thread/sending.ts"),
    import("../src/thread/thread.ts"),
    import("../src/thread/drafts.ts"),
    import("../src/session/status.ts"),
    import("../src/i18n/deferred.ts"),
    import("../src/session/language.ts"),
  ]);
  addTexts(DEFERRED);
  await visit(id);
  return { send, messages, draft, trouble, visit };
}

beforeEach(() => {
  localStorage.clear();
  vi.spyOn(Math, "random").mockReturnValue(0);
});

test("what is said names the message that it was said after, and a first one names none", async () => {
  const server = serve();
  const page = await visit(null);
  await page.send("one");
  await page.send("two");
  expect(server.asked.map(({ body }) => body)).toEqual([{ message: "one" }, { message: "two", parent_id: "m1" }]);
  expect(page.messages.value.map(({ content }) => content)).toEqual(["one", "", "two", ""]);
});

test("what could not be sent goes under the same key in the same place, and under another one elsewhere", async () => {
  const server = serve();
  const page = await visit(null);
  await page.send("one");
  server.refusal = "lost";
  await page.send("two");
  await page.send("two");
  expect(page.draft.value).toContain("two");
  const again = await visit("c");
  server.refusal = null;
  server.stored.push({ id: "m2", role: "user", content: "meanwhile", parent_id: "m1", siblings: ["m2"] });
  await again.visit(null);
  await again.visit("c");
  await again.send("two");
  const [, ...tries] = server.asked;
  expect(tries.map(({ body }) => body.parent_id)).toEqual([...Array(6).fill("m1"), "m2"]);
  expect(new Set(tries.slice(0, 6).map(({ key }) => key)).size).toBe(1);
  expect(tries[6]?.key).not.toBe(tries[0]?.key);
}, 15_000);

test("where the newest message is gone, the text comes back and the page shows what there is", async () => {
  const server = serve();
  const page = await visit(null);
  await page.send("one");
  server.stored.length = 0;
  server.refusal = Response.json({ code: "invalid_request", errors: [{ field: "parent_id" }] }, { status: 422 });
  await page.send("two");
  expect(page.draft.value).toBe("two");
  expect(page.messages.value).toEqual([]);
  expect(page.trouble.value).toContain("changed elsewhere");
});

test("the same words on another branch are not taken for what was to be sent", async () => {
  const server = serve();
  const page = await visit(null);
  await page.send("one");
  server.refusal = "lost";
  await page.send("ok");
  server.stored.splice(1, 1, { id: "x1", role: "user", content: "ok", parent_id: "m0", siblings: ["x1"] });
  const reloaded = await visit("c");
  expect(reloaded.draft.value).toBe("ok");
  server.stored.push({ id: "x2", role: "user", content: "ok", parent_id: "m1", siblings: ["x2"] });
  expect((await visit("c")).draft.value).toBe("");
}, 15_000);

test("who is elsewhere by then is told where something was not sent", async () => {
  const server = serve();
  const page = await visit(null);
  await page.send("one");
  server.refusal = Response.json({ code: "store_unavailable", detail: "no store" }, { status: 503 });
  const sending = page.send("two");
  await page.visit(null);
  await sending;
  expect(page.trouble.value).toContain("“New conversation”");
  expect(page.messages.value).toEqual([]);
  await page.visit("c");
  expect(page.draft.value).toBe("two");
});

test("a reply that is asked for waits for the choice of who gives it", async () => {
  const server = serve();
  let answer: (response: Response) => void = () => {};
  const others = globalThis.fetch;
  vi.stubGlobal("fetch", (url: string, request: RequestInit) =>
    request.method === "PATCH" ? new Promise<Response>((resolve) => (answer = resolve)) : others(url, request),
  );
  const page = await visit(null);
  await page.send("one");
  const { change } = await import("../src/session/conversations.ts");
  const changed = change("c", { role: "english" });
  const sending = page.send("two");
  // Whatever would not wait has been asked for by the next task.
  await new Promise((soon) => setTimeout(soon));
  expect(server.asked.length).toBe(1);
  answer(Response.json({ id: "c", title: "", updated_at: 1 }));
  await Promise.all([changed, sending]);
  expect(server.asked.length).toBe(2);
});

test("messages from further up that cannot be had are told to who asked for them", async () => {
  serve();
  const others = globalThis.fetch;
  vi.stubGlobal("fetch", async (url: string, request: RequestInit) => {
    if (url.includes("before=")) throw new TypeError("lost");
    if (url.includes("/messages")) return Response.json({ messages: [], total: 200, next: "m100" });
    return others(url, request);
  });
  const page = await visit("c");
  const { showEarlier } = await import("../src/thread/thread.ts");
  expect(await showEarlier(false)).toBe(false);
  expect(page.trouble.value).toBe(null);
  expect(await showEarlier(true)).toBe(false);
  expect(page.trouble.value).toContain("cannot be reached");
});
