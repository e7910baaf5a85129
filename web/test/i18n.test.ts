// @vitest-environment jsdom
import { describe, expect, test } from "vitest";

import { DEFERRED, isDeferredKey } from "../src/i18n/deferred.ts";
import { fill, preferredLanguage, type Texts, TEXTS } from "../src/i18n/index.ts";
import { ahead, moment } from "../src/i18n/when.ts";

const folders = import.meta.glob<{ readonly TEXTS: Texts }>("../src/*/texts.ts", { eager: true });
const all: Readonly<Record<string, Texts>> = {
  entry: TEXTS,
  deferred: DEFERRED,
  ...Object.fromEntries(Object.entries(folders).map(([path, { TEXTS }]) => [path.split("/")[2], TEXTS])),
};
const keys = Object.entries(all).flatMap(([name, { zh }]) => Object.keys(zh).map((key) => ({ name, key })));
const holes = (text = "") => [...new Set([...text.matchAll(/\{\w+\}/g)].map(String))].sort();

describe("the texts", () => {
  test("come from the features too", () => {
    expect(Object.keys(all).sort()).toEqual(["account", "admin", "deferred", "entry", "login", "menu", "personas", "shortcuts", "transfer", "usage"]);
  });

  test.each(Object.values(all))("have the same keys in the same order in both languages", ({ zh, en }) => {
    expect(Object.keys(en)).toEqual(Object.keys(zh));
  });

  test("share no key", () => {
    expect(new Set(keys.map(({ key }) => key)).size).toBe(keys.length);
  });

  test.each(keys)("$name: $key says something in both, with the same holes", ({ name, key }) => {
    const { zh, en } = all[name] as Texts;
    expect(zh[key]?.trim()).toBeTruthy();
    expect(en[key]?.trim()).toBeTruthy();
    expect(holes(en[key])).toEqual(holes(zh[key]));
  });
});

test("a value fills its hole, and a hole without a value is seen", () => {
  expect(fill(TEXTS.en["expiry.in"], { when: "tomorrow" })).toBe("Expires tomorrow");
  expect(fill(TEXTS.en["expiry.in"], {})).toBe("Expires {when}");
});

test("a code of a later server is no key", () => {
  expect(isDeferredKey("failure.model_timeout")).toBe(true);
  expect(isDeferredKey("failure.toString")).toBe(false);
});

test.each([
  [["zh-CN", "en"], "zh"],
  [["ZH-Hant-TW"], "zh"],
  [["en-GB", "zh"], "en"],
  [["fr"], "en"],
  [[], "en"],
])("%j is read in %s", (tags, language) => {
  expect(preferredLanguage(tags)).toBe(language);
});

test("times are said in the largest unit that fits", () => {
  expect(ahead(6.9 * 86_400, 0, "en")).toBe("in 7 days");
  expect(ahead(7_300, 0, "zh-CN")).toBe("2小时后");
  expect(ahead(5, 0, "en")).toBe("in 1 minute");
});

test("the date is left away on the same day only", () => {
  const noon = new Date(2026, 2, 5, 12, 0);
  expect(moment(noon.getTime() / 1000, noon, "en-GB")).toBe("12:00");
  expect(moment(noon.getTime() / 1000 - 86_400, noon, "en-GB")).toContain("4 Mar");
});
