import { signal } from "@preact/signals";

/** The conversation that the address names, or null for a new one. */
export const openId = signal<string | null>(read());

addEventListener("hashchange", () => {
  openId.value = read();
});

function read(): string | null {
  const match = /^#\/c\/([\w-]+)$/.exec(location.hash);
  return match?.[1] ?? null;
}

/** Goes to a conversation, or to a new one; the way back is the browser's own. */
export function goTo(id: string | null): void {
  if (id === openId.peek()) return;
  history.pushState(null, "", id === null ? "#/" : `#/c/${id}`);
  openId.value = id;
}

// pushState tells nobody, the way back over it does.
addEventListener("popstate", () => {
  openId.value = read();
});
