import { effect } from "@preact/signals";
import { render } from "preact";

import "../style/page.css";
import { moment } from "../i18n/when.ts";
import { language, languageTag } from "../session/language.ts";
import { stayLevel } from "./otherTabs.ts";
import { openId } from "../session/route.ts";
import { loadRoles } from "../catalog/roles.ts";
import { catchUp, visit } from "../thread/visit.ts";
import "./prefetch.ts";
import { App } from "./App.tsx";
import { growing } from "../thread/growing.ts";

// A conversation needs it as soon as its messages are there.
if (openId.peek() !== null) growing.fetch().catch(() => {});

// Before the first drawing: the server is at work meanwhile.
effect(() => {
  void visit(openId.value);
});

void stayLevel();

// The personas are named in the reader's language.
let named = language.peek();
effect(() => {
  if (language.value === named) return;
  named = language.value;
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
