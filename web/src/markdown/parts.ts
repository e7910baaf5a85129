import type { Token, Tokens } from "marked";

/**
 * A block that is made of parts: the items of a list, the rows of a table. They close one after the other, as blocks do,
 * and what follows a closed one can be parsed alone, behind a head that makes it what it is.
 */
export type Container = Tokens.List | Tokens.Table;

/** A table's names and the line below them. */
const TABLE_HEAD = /^.*\n.*(?:\n|$)/;

export function isContainer(token: Token | undefined): token is Container {
  return token?.type === "list" || token?.type === "table";
}

export function isList(container: Container): container is Tokens.List {
  return container.type === "list";
}

/** The parts as they stand in the text, one right behind the other, after `partsStart` characters. */
export function rawParts(container: Container): string[] {
  if (isList(container)) return container.items.map(({ raw }) => raw);
  return container.raw.slice(partsStart(container)).split(/(?<=\n)/).slice(0, container.rows.length);
}

export function partsStart(container: Container): number {
  return isList(container) ? 0 : (TABLE_HEAD.exec(container.raw)?.[0].length ?? 0);
}

/**
 * The head behind which the last parts of `container` are parsed. For a list it is an item: an empty one begins no list,
 * and a blank line between two items changes all of them.
 */
export function headOf(container: Container): string {
  if (!isList(container)) return container.raw.slice(0, partsStart(container));
  const marker = /^ *(?:[*+-]|\d+[.)])/.exec(container.items.at(-1)?.raw ?? "")?.[0] ?? "-";
  return `${marker} x\n${container.loose ? "\n" : ""}`;
}

/** `container`, parsed behind a head, without what the head has added to its parts. */
export function withoutHead(container: Container): Container {
  return isList(container) ? { ...container, items: container.items.slice(1) } : container;
}

/** The element in `block`, the node of a container, whose children are the parts. */
export function partsElement(block: Node | null | undefined): Element | null {
  if (!(block instanceof Element)) return null;
  return block.matches("ul, ol") ? block : block.querySelector("tbody");
}

/** The nodes of the parts: each is an element and a line end. A list has one more line end before them. */
export function partNodes(element: Element): ChildNode[] {
  return [...element.childNodes].slice(element.localName === "tbody" ? 0 : 1);
}
