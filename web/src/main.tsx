import { effect } from "@preact/signals";
import { render } from "preact";

import "./style/page.css";
import { language } from "./state/language.ts";
import { stayLevel } from "./state/level.ts";
import { loadModels } from "./state/models.ts";
import { place } from "./state/place.ts";
import { loadRoles } from "./state/roles.ts";
import { catchUp, visit } from "./state/visit.ts";
import { App } from "./view/App.tsx";
import { fetchMarkdown } from "./view/markdown.ts";

// A conversation needs it as soon as its messages are there.
if (place.peek() !== null) fetchMarkdown();

const root = document.getElementById("app");
if (root !== null) render(<App />, root);

void stayLevel();
void loadModels();

// The personas are told in the reader's language.
effect(() => {
  if (language.value) void loadRoles();
});

effect(() => {
  void visit(place.value);
});

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") void catchUp(true);
});
