// @vitest-environment jsdom
import { expect, test, vi } from "vitest";

import { DEFERRED } from "../src/i18n/deferred.ts";
import { copy } from "../src/ui/copying.ts";
import { addTexts } from "../src/session/language.ts";
import { trouble } from "../src/session/status.ts";

test("that copying is not allowed is said until it works, and nothing else is unsaid by it", async () => {
  addTexts(DEFERRED);
  const writeText = vi.fn<() => Promise<void>>().mockRejectedValueOnce(new DOMException("", "NotAllowedError"));
  vi.stubGlobal("navigator", { clipboard: { writeText }, languages: ["en"] });
  writeText.mockResolvedValue();
  expect(await copy("text")).toBe(false);
  expect(trouble.value).not.toBe(null);
  expect(await copy("text")).toBe(true);
  expect(trouble.value).toBe(null);

  trouble.value = "The server cannot be reached.";
  expect(await copy("text")).toBe(true);
  expect(trouble.value).toBe("The server cannot be reached.");
});
