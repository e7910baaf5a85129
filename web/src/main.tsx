import { effect } from "@preact/signals";
import { render } from "preact";

import "./style/page.css";
import { moment } from "./core/when.ts";
import { language, languageTag } from "./state/language.ts";
import { stayLevel } from "./state/level.ts";
import { place } from "./state/place.ts";
import { loadRoles } from "./state/roles.ts";
import { catchUp, visit } from "./state/visit.ts";
import { App } from "./view/App.tsx";
import { fetchMarkdown } from "./view/markdown.ts";

// A conversation needs it as soon as its messages are there.
if (place.peek() !== null) fetchMarkdown();

// Before the first drawing: the server is at work meanwhile.
effect(() => {
  void visit(place.value);
});

void stayLevel();

// The personas are told in the reader's language.
let told = language.peek();
effect(() => {
  if (language.value === told) return;
  told = language.value;
  void loadRoles();
});

// Each in a task of its own, so that none of them is long.
const root = document.getElementById("app");
if (root !== null) setTimeout(() => render(<App />, root));
// A browser takes longer to write its first time than to draw a message; so it does while there is none.
setTimeout(() => moment(0, new Date(), languageTag()));

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") void catchUp(true);
});
