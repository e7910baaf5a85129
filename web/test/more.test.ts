// @vitest-environment jsdom
import { afterEach, describe, expect, test, vi } from "vitest";

import { chordOf, TAKEN } from "../src/browser/chord.ts";
import type { Spent, UsageReport } from "../src/api/contract.ts";
import { formatName, refusalOf, wordFor } from "../src/transfer/importReport.ts";
import { Problem, Unreachable } from "../src/api/problem.ts";
import { budgetFigures, daysTouched, daySums, estimated, money } from "../src/usage/figures.ts";
import { actionOf, SHORTCUTS } from "../src/shortcuts/shortcuts.ts";

describe("usage", () => {
  afterEach(() => vi.unstubAllEnvs());

  test.each([
    // Early in the day the server still counts the day before; late in the evening it counts the next one.
    ["Asia/Shanghai", "2026-11-22T23:30:00Z", 1, "2026-11-22", "2026-11-22"],
    ["Asia/Shanghai", "2026-11-23T06:00:00Z", 1, "2026-11-22", "2026-11-23"],
    ["America/New_York", "2026-11-23T01:00:00Z", 1, "2026-11-22", "2026-11-23"],
    ["UTC", "2026-11-23T12:00:00Z", 1, "2026-11-23", "2026-11-23"],
    ["UTC", "2026-03-03T12:00:00Z", 7, "2026-02-25", "2026-03-03"],
    // The clocks went back in between.
    ["Europe/Berlin", "2026-11-01T12:00:00Z", 30, "2026-10-02", "2026-11-01"],
  ])("in %s at %s the last %d days touch %s to %s", (zone, now, days, from, to) => {
    vi.stubEnv("TZ", zone);
    expect(daysTouched(days, new Date(now))).toEqual({ from, to });
  });

  const spent = (fields: Partial<Spent>): Spent => ({
    turns: 1,
    prompt_tokens: 10,
    completion_tokens: 5,
    estimated_tokens: 0,
    cost: null,
    ...fields,
  });

  test("is summed up by day, the newest first; what has no price adds nothing to the cost", () => {
    const report: UsageReport = {
      from: "2026-11-01",
      to: "2026-11-03",
      currency: "USD",
      days: [
        { date: "2026-11-01", models: [{ model: "a", ...spent({}) }] },
        { date: "2026-11-03", models: [{ model: "a", ...spent({}) }, { model: "b", ...spent({ cost: 0.5, estimated_tokens: 3 }) }] },
      ],
      total: spent({}),
      budgets: [],
    };
    expect(daySums(report)).toEqual([
      { date: "2026-11-03", turns: 2, prompt_tokens: 20, completion_tokens: 10, estimated_tokens: 3, cost: 0.5 },
      { date: "2026-11-01", turns: 1, prompt_tokens: 10, completion_tokens: 5, estimated_tokens: 0, cost: null },
    ]);
  });

  test("leaves of a budget so much, in tokens or in money", () => {
    const budget = { period: "day" as const, amount: 1000, used: 0, reserved: 0, left: 12.5, resets_at: 0 };
    expect(budgetFigures({ ...budget, unit: "tokens", left: 900 }, "USD", "en")).toEqual({ left: "900", amount: "1,000" });
    expect(budgetFigures({ ...budget, unit: "money" }, "USD", "en")).toEqual({ left: "$12.50", amount: "$1,000.00" });
  });

  test("that the server counted itself is told apart", () => {
    expect(estimated(spent({}))).toBe("none");
    expect(estimated(spent({ estimated_tokens: 14 }))).toBe("partly");
    expect(estimated(spent({ estimated_tokens: 15 }))).toBe("all");
  });

  test("never costs nothing where it costs something", () => {
    expect(money(0, "en")).toBe("0.0000");
    expect(money(0.00001, "en")).toBe("< 0.0001");
    expect(money(1234.5, "en")).toBe("1,234.5000");
  });
});

describe("the report of an import", () => {
  /** The table in docs/http-api.md. */
  const TABLE = {
    conversation: "empty not_understood known_already not_grouped no_time gone",
    raw: "shortened",
    message:
      "known_already changed system hidden tool tool_call reasoning_recap error empty unknown_role not_understood retention too_many_siblings shortened parent_missing cycle duplicate_id",
    part: "image audio video file tool_call tool_result code_interpreter error not_understood",
    reasoning: "no_reply",
    instructions: "not_supported",
    character: "control half",
    title: "shortened not_understood",
    tree: "mended",
    pin: "too_many",
    usage: "mended",
    persona: "known_already new_id too_many",
    setting: "set_already unknown store_unavailable",
    file: "no_conversations",
  };

  test.each(Object.entries(TABLE))("has words for %s and why: %s", (what, reasons) => {
    expect(wordFor("what", what)).toBe(`what.${what}`);
    for (const reason of reasons.split(" ")) expect(wordFor("why", reason)).toBe(`why.${reason}`);
  });

  test("passes on what a later server says", () => {
    expect(wordFor("why", "toString")).toBeNull();
    expect(formatName("open_webui")).toBe("Open WebUI");
    expect(formatName("new_chat")).toBe("new_chat");
  });

  const refused = (status: number, code: string, detail = "") => refusalOf(new Problem(status, code, detail, null, null));

  test.each([
    ["file: is none of the formats that are known: lianhua, ChatGPT, Open WebUI, LibreChat", "refusal.unknown_format"],
    ["file: is not JSON, or has a number beyond 64 bits, at about byte 17", "refusal.not_json"],
    ["file: is an archive without conversations.json", "refusal.archive"],
    ["file: is a broken zip archive", "refusal.archive"],
    ["conversations[3].messages[0].role: is missing", "refusal.not_understood"],
  ])("a refusal with %j is %s, with the server's own words below", (detail, key) => {
    expect(refused(422, "invalid_request", detail)).toEqual({ key, code: "invalid_request", detail });
  });

  test("every other refusal says what to do, with its code", () => {
    expect(refused(413, "http_413")).toMatchObject({ key: "refusal.payload_too_large", code: "payload_too_large" });
    expect(refused(422, "import_cut", "file: ends too soon")).toEqual({ key: "refusal.import_cut", code: "import_cut", detail: "file: ends too soon" });
    expect(refused(503, "overloaded", "busy")).toEqual({ key: "refusal.overloaded", code: "overloaded", detail: "" });
    expect(refused(403, "cross_site")).toMatchObject({ key: "refusal.other", code: "cross_site" });
    expect(refused(403, "cross_site", "Set Host.")).toMatchObject({ key: "refusal.other", detail: "Set Host." });
    expect(refusalOf(new Unreachable(null))).toMatchObject({ key: "refusal.unreachable", code: null });
    expect(() => refusalOf(new TypeError("ours"))).toThrow("ours");
  });
});

describe("a shortcut", () => {
  const key = (key: string, held: KeyboardEventInit = {}) => new KeyboardEvent("keydown", { key, ...held });

  test("goes by the key of commands of the system", () => {
    expect(chordOf(key("k", { ctrlKey: true }), false)).toBe("Mod+k");
    expect(chordOf(key("K", { ctrlKey: true }), false)).toBe("Mod+k"); // with Caps Lock
    expect(chordOf(key("k", { metaKey: true }), true)).toBe("Mod+k");
    // On a Mac, Ctrl-K deletes to the end of the line; AltGr is Ctrl and Alt.
    expect(chordOf(key("k", { ctrlKey: true }), true)).not.toBe("Mod+k");
    expect(chordOf(key("k", { metaKey: true }), false)).not.toBe("Mod+k");
    expect(chordOf(key("/", { ctrlKey: true, altKey: true }), false)).not.toBe("Mod+/");
  });

  const nowhere = { isInput: false, isInputEmpty: true, isField: false };
  const input = { isInput: true, isInputEmpty: false, isField: true };

  test.each([
    ["Mod+k", nowhere, "search"],
    ["Mod+k", input, "search"],
    ["?", nowhere, "help"],
    ["Shift+?", nowhere, "help"],
    ["Shift+?", input, null],
    ["Mod+/", input, "help"],
    ["escape", nowhere, null],
    ["escape", input, "stop"],
    ["arrowup", input, null],
    ["arrowup", { ...input, isInputEmpty: true }, "edit"],
    ["arrowup", { ...nowhere, isField: true }, null],
    ["enter", input, null],
    ["k", nowhere, null],
  ])("%s at %j is %s", (chord, place, action) => {
    expect(actionOf(chord, place)).toBe(action);
  });

  test("that a browser uses otherwise is taken from it, and no other key is", () => {
    const chords = SHORTCUTS.flatMap(({ chords }) => chords);
    const taken = ["Mod+k", "Mod+Shift+o", "Shift+escape", "Mod+Shift+c", "Mod+/", "Mod+Shift+/"];
    expect(chords.filter((chord) => TAKEN.test(chord))).toEqual(taken);
    for (const chord of ["Mod+c", "Mod+o", "Mod+Shift+k", "k", "c", "escape"]) expect(TAKEN.test(chord)).toBe(false);
  });
});
