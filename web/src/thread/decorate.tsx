import { render } from "preact";

import { csvOf } from "../markdown/csv.ts";
import { CopyButton } from "../ui/CopyButton.tsx";
import { whenIdle } from "../browser/idle.ts";

/** Colouring more than this at once would be felt while reading. */
const LONGEST_COLOURED_CHARACTERS = 30_000;
/** A longer formula is none. */
const LONGEST_FORMULA_CHARACTERS = 5_000;

/**
 * Gives `node`, which is final, what is not in its text: buttons that copy a code block or a table, and colours once the
 * browser is idle. What has all that already is left as it is.
 */
export function decorate(node: Element): void {
  for (const block of allIn(node, ".code")) decorateCode(block);
  for (const block of allIn(node, ".table")) addTools(block, <CopyButton label="message.copy.csv" text={() => csvOf(block)} />);
}

/** Takes the buttons in `host` from the framework again. */
export function undecorate(host: Element): void {
  for (const tools of host.querySelectorAll(".block-tools")) render(null, tools);
}

function decorateCode(block: Element): void {
  const code = block.querySelector("code");
  if (code === null || !addTools(block, <CopyButton text={() => code.textContent.replace(/\n$/, "")} />)) return;
  if (code.className !== "" && code.textContent.length <= LONGEST_COLOURED_CHARACTERS) whenIdle(() => void colour(code));
}

/** Puts `button` into the head of a block, where there is none yet. */
function addTools(block: Element, button: preact.VNode): boolean {
  const head = block.querySelector(".block-head");
  if (head === null || head.querySelector(".block-tools") !== null) return false;
  const tools = document.createElement("div");
  tools.className = "block-tools";
  head.append(tools);
  render(button, tools);
  return true;
}

function allIn(node: Element, selector: string): Element[] {
  return node.matches(selector) ? [node] : [...node.querySelectorAll(selector)];
}

async function colour(code: Element): Promise<void> {
  try {
    // Fetched when the first block needs it.
    const [{ colouring }] = await Promise.all([
      import("../markdown/colouring.ts"),
      import("./colouring.css"),
    ]);
    const coloured = colouring(code.textContent, code.className.replace("language-", ""));
    if (coloured !== null) code.replaceChildren(coloured);
  } catch {
    // Without a connection it stays in one colour.
  }
}

/** Draws the formulas in `node` that are not drawn yet. */
export async function drawFormulas(node: Element): Promise<void> {
  const formulas = allIn(node, ".math").filter(({ firstElementChild }) => firstElementChild === null);
  if (formulas.length === 0) return;
  try {
    const { mathMl } = await import("../markdown/mathml.ts");
    for (const formula of formulas) {
      if (formula.firstElementChild !== null || formula.textContent.length > LONGEST_FORMULA_CHARACTERS) continue;
      const drawn = mathMl(formula.textContent, formula.classList.contains("display"));
      if (drawn !== null) formula.replaceChildren(drawn);
    }
  } catch {
    // Without a connection it stays as it was written.
  }
}
