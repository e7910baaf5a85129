import { effect } from "@preact/signals";
import { render } from "preact";

import "../style/page.css";
import { moment } from "../i18n/when.ts";
import { language, languageTag } from "../session/language.ts";
import { stayLevel } from "./otherTabs.ts";
import { place } from "../session/route.ts";
import { loadRoles } from "../catalog/roles.ts";
import { catchUp, visit } from "../thread/visit.ts";
import { App } from "./App.tsx";
import { fetchMarkdown } from "../thread/markdownParts.ts";

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
