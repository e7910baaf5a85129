// @vitest-environment jsdom
import { expect, test, vi } from "vitest";

vi.stubGlobal("matchMedia", () => ({ matches: false }));
const { isComposing, isSending } = await import("../src/browser/composing.ts");

test.each(["Enter", "Escape"])("%s that ends a composition belongs to it, whichever of the two is told first", (key) => {
  for (const given of [{ isComposing: true, keyCode: 13 }, { isComposing: false, keyCode: 229 }]) {
    const event = new KeyboardEvent("keydown", { key, ...given });
    expect(isComposing(event)).toBe(true);
    expect(isSending(event)).toBe(false);
  }
});
