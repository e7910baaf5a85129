import { render } from "preact";

import { CopyButton } from "./CopyButton.tsx";

/** Colouring more than this at once would be felt while reading. */
const LONGEST_COLOURED_CHARACTERS = 30_000;

/** Gives every code block in `node`, which is final, a button to copy it and, once the browser is idle, its colours. */
export function dressCode(node: ChildNode): void {
  if (!(node instanceof Element)) return;
  const blocks = node.matches(".code") ? [node] : node.querySelectorAll(".code");
  for (const block of blocks) {
    const code = block.querySelector("code");
    const head = block.querySelector(".code-head");
    if (code === null || head === null) continue;
    const tools = document.createElement("div");
    tools.className = "code-tools";
    head.append(tools);
    render(<CopyButton text={() => code.textContent.replace(/\n$/, "")} />, tools);
    if (code.className !== "" && code.textContent.length <= LONGEST_COLOURED_CHARACTERS) whenIdle(() => colour(code));
  }
}

/** Takes the buttons in `host` from the framework again. */
export function undressCode(host: Element): void {
  for (const tools of host.querySelectorAll(".code-tools")) render(null, tools);
}

async function colour(code: Element): Promise<void> {
  try {
    // Fetched when the first block needs it.
    const [{ colouring }] = await Promise.all([
      import("../core/markdown/colouring.ts"),
      import("../style/colouring.css"),
    ]);
    const coloured = colouring(code.textContent, code.className.replace("language-", ""));
    if (coloured !== null) code.replaceChildren(coloured);
  } catch {
    // Without a connection it stays in one colour.
  }
}

/** Safari has no idle callback. */
const whenIdle: (work: () => void) => unknown = globalThis.requestIdleCallback ?? setTimeout;
