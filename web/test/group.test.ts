import { expect, test } from "vitest";

import { fieldsOf, groupOf } from "../src/admin/group.ts";

test("a group without bounds is an empty form, and back", () => {
  const open = { models: null, retention_days: null, retention_messages: null, temporary_only: false };
  expect(fieldsOf({ temporary_only: false })).toEqual({ models: "", retention_days: "", retention_messages: "", temporary_only: false });
  expect(groupOf(fieldsOf(open))).toEqual(open);
});

test("a bound of nothing is a bound", () => {
  const strict = { models: ["a/b", "c"], retention_days: 0, retention_messages: 0, temporary_only: true };
  expect(fieldsOf(strict).retention_days).toBe("0");
  expect(groupOf(fieldsOf(strict))).toEqual(strict);
});

test("models are named with commas of either language", () => {
  const fields = { models: " a，b, ,c\n", retention_days: " 0.5 ", retention_messages: "", temporary_only: false };
  expect(groupOf(fields)).toEqual({ models: ["a", "b", "c"], retention_days: 0.5, retention_messages: null, temporary_only: false });
});
