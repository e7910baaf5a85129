/**
 * Makes the children of `parent` from `first` to the last the same as `fresh`, changing as little as possible: a node
 * that stays the same is not touched, and text that only grew is appended to, so that a reader's selection survives.
 */
export function morph(parent: Node, first: ChildNode | null, fresh: Iterable<ChildNode>): void {
  let live = first;
  for (const node of [...fresh]) {
    if (live === null) {
      parent.appendChild(node);
    } else {
      const next: ChildNode | null = live.nextSibling;
      patch(live, node);
      live = next;
    }
  }
  while (live !== null) {
    const next: ChildNode | null = live.nextSibling;
    live.remove();
    live = next;
  }
}

function patch(live: ChildNode, fresh: ChildNode): void {
  if (live instanceof Text && fresh instanceof Text) {
    patchText(live, fresh.data);
  } else if (live instanceof Element && fresh instanceof Element && live.tagName === fresh.tagName) {
    patchAttributes(live, fresh);
    morph(live, live.firstChild, fresh.childNodes);
  } else {
    live.replaceWith(fresh);
  }
}

function patchText(live: Text, data: string): void {
  if (live.data === data) return;
  if (data.startsWith(live.data)) live.appendData(data.slice(live.data.length));
  else live.data = data;
}

function patchAttributes(live: Element, fresh: Element): void {
  for (const { name } of [...live.attributes]) {
    if (!fresh.hasAttribute(name)) live.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (live.getAttribute(name) !== value) live.setAttribute(name, value);
  }
}
