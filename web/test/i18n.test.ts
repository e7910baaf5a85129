import { describe, expect, test } from "vitest";

import { CATALOGUES, fill, type Key, preferredLanguage } from "../src/i18n/index.ts";
import { isLaterKey, LATER, type LaterKey } from "../src/i18n/later.ts";
import { isPersonasKey, PERSONAS, type PersonasKey } from "../src/personas/texts.ts";
import { ahead, moment } from "../src/i18n/when.ts";

const holes = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(String).sort();

describe("the catalogues", () => {
  test("have the same keys in the same order", () => {
    expect(Object.keys(CATALOGUES.en)).toEqual(Object.keys(CATALOGUES.zh));
    expect(Object.keys(LATER.en)).toEqual(Object.keys(LATER.zh));
    expect(Object.keys(PERSONAS.en)).toEqual(Object.keys(PERSONAS.zh));
  });

  test("share no key", () => {
    expect(Object.keys(CATALOGUES.zh).filter(isLaterKey)).toEqual([]);
    expect(Object.keys(CATALOGUES.zh).filter(isPersonasKey)).toEqual([]);
  });

  test.each(Object.keys(CATALOGUES.zh) as Key[])("%s says something in both, with the same holes", (key) => {
    expect(CATALOGUES.zh[key].trim()).not.toBe("");
    expect(holes(CATALOGUES.en[key])).toEqual(holes(CATALOGUES.zh[key]));
  });

  test.each(Object.keys(LATER.zh) as LaterKey[])("%s says something in both as well", (key) => {
    expect(LATER.zh[key].trim()).not.toBe("");
    expect(holes(LATER.en[key])).toEqual(holes(LATER.zh[key]));
  });

  test.each(Object.keys(PERSONAS.zh) as PersonasKey[])("%s says something in both, too", (key) => {
    expect(PERSONAS.zh[key].trim()).not.toBe("");
    expect(holes(PERSONAS.en[key])).toEqual(holes(PERSONAS.zh[key]));
  });
});

test("a value fills its hole, and a hole without a value is seen", () => {
  expect(fill(CATALOGUES.en["expiry.in"], { when: "tomorrow" })).toBe("Expires tomorrow");
  expect(fill(CATALOGUES.en["expiry.in"], {})).toBe("Expires {when}");
});

test("a code of a later server is no key", () => {
  expect(isLaterKey("failure.model_timeout")).toBe(true);
  expect(isLaterKey("failure.toString")).toBe(false);
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
