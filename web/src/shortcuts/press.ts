import { chordOf } from "../browser/chord.ts";
import { canCopy, copy } from "../ui/copying.ts";
import { draft } from "../thread/drafts.ts";
import { editing, startEdit } from "../thread/editing.ts";
import { panel } from "../ui/panel.ts";
import { goTo } from "../session/route.ts";
import { isBusy, stop } from "../thread/reply.ts";
import { type Action, actionOf } from "./shortcuts.ts";
import { messages } from "../thread/thread.ts";
import { isComposing } from "../browser/composing.ts";
import { isDrawerOpen, isNarrow } from "../ui/drawer.ts";

const INPUT = ".composer textarea";
const EDITOR = ".editor textarea";
const MARKED_MS = 1_000;

/** Does what a key asks for, wherever on the page it was pressed; nothing where a dialog has the page. */
export function press(event: KeyboardEvent): void {
  if (isComposing(event) || document.querySelector("dialog[open]") !== null) return;
  const at = event.target instanceof Element ? event.target : document.body;
  const action = actionOf(chordOf(event), {
    isInput: at.matches(INPUT),
    isInputEmpty: draft.peek() === "",
    isField: at.matches("input, select, textarea"),
  });
  // The editor has the focus at once: the same key would move the cursor there to the beginning.
  if (action === "edit") event.preventDefault();
  if (action !== null) ACTIONS[action]();
}

const ACTIONS: Readonly<Record<Action, () => void>> = {
  search: () => {
    isDrawerOpen.value = isNarrow.peek();
    focusOn(".search input");
  },
  new: () => {
    isDrawerOpen.value = false;
    goTo(null);
    focusOn(INPUT);
  },
  input: () => {
    isDrawerOpen.value = false;
    focusOn(INPUT);
  },
  help: () => {
    panel.value = "shortcuts";
  },
  stop: () => {
    if (isBusy()) void stop();
  },
  edit: editLast,
  copy: () => void copyLast(),
};

/** Once what was just opened has been drawn. */
function focusOn(selector: string): void {
  requestAnimationFrame(() => document.querySelector<HTMLElement>(selector)?.focus());
}

function editLast(): void {
  // What is being edited already is not thrown away for another message.
  if (editing.peek() !== null && document.querySelector(EDITOR) !== null) return focusOn(EDITOR);
  const last = messages.peek().findLast(({ role, id }) => role === "user" && id !== null);
  if (last !== undefined) startEdit(last);
}

/** Copies the newest reply, and marks it for a moment: that is all there is to see of it. */
async function copyLast(): Promise<void> {
  const last = messages.peek().findLast(({ role, status, content }) => role === "assistant" && status !== "running" && content !== "");
  if (last === undefined || !canCopy() || !(await copy(last.content))) return;
  const element = document.querySelector(`[data-message="${CSS.escape(last.id ?? "")}"]`);
  element?.classList.add("sought");
  setTimeout(() => element?.classList.remove("sought"), MARKED_MS);
}
