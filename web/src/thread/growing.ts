import { lazy } from "../ui/lazy.tsx";

/** What renders replies: half of the page's weight, and an empty page has none. Until it is there they stand as they are written. */
export const growing = lazy(async () => {
  const [part] = await Promise.all([import("../markdown/growing.ts"), import("./markdown.css")]);
  setTimeout(part.warmUp);
  return part;
});
