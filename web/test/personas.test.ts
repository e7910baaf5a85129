import { describe, expect, test } from "vitest";

import type { OwnPersona } from "../src/api/contract.ts";
import {
  changedFields,
  copyOf,
  EMPTY,
  faultsOf,
  type Field,
  fieldsOf,
  formOf,
  isSame,
  left,
  type PersonaForm,
  readNumber,
} from "../src/personas/form.ts";

const poet: OwnPersona = {
  id: "own-0123456789",
  created_at: 0,
  updated_at: 0,
  name: "诗人",
  icon: "🖋️",
  description: "",
  prompt: "用诗回答。",
  welcome: "写点什么？",
  suggestions: ["雨", "雪", "风", "月"],
  model: "small",
  temperature: 0.7,
  top_p: null,
  max_tokens: 16,
};
const right: PersonaForm = { ...EMPTY, name: "Poet", prompt: "Answer in verse." };
const faults = (change: Partial<PersonaForm>) => Object.fromEntries(faultsOf({ ...right, ...change }));

describe("a form", () => {
  test("says what the persona says, and gives it back", () => {
    const { id, created_at: _, updated_at: __, ...fields } = poet;
    const form = formOf(poet);
    expect(form).toMatchObject({ id, model: "small", temperature: "0.7", top_p: "", max_tokens: "16" });
    expect(fieldsOf(form)).toEqual(fields);
  });

  test("has room for three questions, and for all there are", () => {
    const rooms = (suggestions: string[]) => formOf({ ...poet, suggestions }).suggestions;
    expect(rooms([])).toEqual(["", "", ""]);
    expect(rooms(["a"])).toEqual(["a", "", ""]);
    expect(rooms(["a", "b", "c", "d"])).toEqual(["a", "b", "c", "d"]);
  });

  test("leaves out what is empty, and the blanks around what is not", () => {
    const form = { ...right, name: " Poet ", icon: " ", suggestions: ["", " a ", " "], temperature: " " };
    expect(fieldsOf(form)).toMatchObject({ name: "Poet", icon: "💬", suggestions: ["a"], temperature: null, model: null });
  });

  test("of a built-in persona is a new one with its texts", () => {
    const role = { ...poet, own: false, suggestions: ["a"] };
    const form = copyOf(role, "诗人（副本）");
    expect(form).toMatchObject({ id: null, name: "诗人（副本）", prompt: poet.prompt, suggestions: ["a", "", ""], model: "" });
  });

  test("tells the server what was changed and nothing else", () => {
    const start = formOf(poet);
    expect(changedFields(start, start)).toEqual({});
    const form = { ...start, prompt: "Anders.", temperature: "", suggestions: ["雨", "雪", "风", ""] };
    expect(changedFields(start, form)).toEqual({ prompt: "Anders.", temperature: null, suggestions: ["雨", "雪", "风"] });
  });

  test("is unsaved where it differs", () => {
    expect(isSame(EMPTY, { ...EMPTY })).toBe(true);
    expect(isSame(EMPTY, { ...EMPTY, suggestions: ["", "?", ""] })).toBe(false);
  });
});

describe("what is wrong is what the server refuses", () => {
  test("nothing in a name and a prompt alone", () => {
    expect(faults({})).toEqual({});
  });

  test("blank texts", () => {
    expect(faults({ name: " ", prompt: "\n" })).toEqual({ name: "blank", prompt: "blank" });
    expect([...faultsOf(EMPTY).keys()]).toEqual<Field[]>(["name", "prompt"]);
  });

  test.each(["name", "description", "prompt", "welcome"] as const)("one character too many in %s, counted as points", (field) => {
    const most = "🖋".repeat(left(field, ""));
    expect(faults({ [field]: most })).toEqual({});
    expect(faults({ [field]: `${most}🖋` })).toEqual({ [field]: "long" });
  });

  test("a question that is too long", () => {
    expect(faults({ suggestions: ["", "q".repeat(200), ""] })).toEqual({});
    expect(faults({ suggestions: ["", "q".repeat(201), ""] })).toEqual({ suggestions: "long" });
  });

  test.each(["", "诗", "🧑‍🏫", "👨‍👩‍👧‍👦", "🇨🇳"])("not the icon %j", (icon) => expect(faults({ icon })).toEqual({}));

  test.each(["ab", "🖋️🖋️"])("the icon %j", (icon) => expect(faults({ icon })).toEqual({ icon: "icon" }));

  test.each([
    ["temperature", ["", "0", "2", "0.7", "0,7", ".5", " 1 ", "１．５"], ["-0.1", "2.1", "warm", "1e0", "0.7.1"]],
    ["top_p", ["", "1", "0.01"], ["0", "1.1", "-1"]],
    ["max_tokens", ["", "16", "1000000", "２０４８"], ["15", "1000001", "100.5", "1,000", "0x10"]],
  ] as const)("%s outside its range", (field, good, bad) => {
    for (const text of good) expect(faults({ [field]: text }), text).toEqual({});
    for (const text of bad) expect(faults({ [field]: text }), text).toEqual({ [field]: field });
  });
});

test("a number is read as people write it", () => {
  expect([" 0,7 ", "１", "", "."].map(readNumber)).toEqual([0.7, 1, null, Number.NaN]);
});
