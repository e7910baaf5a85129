/** The files of the page import each other downwards and without a circle, types and what is fetched later included. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const SOURCE = fileURLToPath(new URL("../src", import.meta.url));
const IMPORT = /(?:^[ \t]*(?:import|export)\s+(?:[^;"()=]*?\sfrom\s+)?|\bimport\()"(\.[^"]+\.tsx?)"/gm;

/** The folders of `src/`: each may import what stands before it, and itself. */
const FLOORS = [
  "browser",
  "i18n",
  "api",
  "stream",
  "markdown",
  "session",
  "ui",
  "login",
  "catalog",
  "thread",
  "usage",
  "account",
  "admin",
  "transfer",
  "sidebar",
  "personas",
  "shortcuts",
  "menu",
  "app",
];
/** The documentation of the API is a page of its own. */
const APART = "docs";

function imports(): Map<string, Set<string>> {
  const files = readdirSync(SOURCE, { recursive: true, encoding: "utf8" }).filter((name) => /\.tsx?$/.test(name));
  return new Map(
    files.map((name) => {
      const text = readFileSync(join(SOURCE, name), "utf8");
      const targets = [...text.matchAll(IMPORT)].map((found) => normalize(join(dirname(name), found[1] ?? "")));
      return [name, new Set(targets)];
    }),
  );
}

/** What is left when files are taken away that import nothing of the rest: each of them is in a circle or leads to one. */
function circles(graph: Map<string, Set<string>>): string[] {
  const left = new Map(graph);
  for (let before = -1; before !== left.size; ) {
    before = left.size;
    for (const [name, targets] of left) if (![...targets].some((target) => left.has(target))) left.delete(name);
  }
  return [...left.keys()].sort();
}

test("every import names a file that is there", () => {
  const graph = imports();
  expect(graph.size).toBeGreaterThan(80);
  const missing = [...graph].flatMap(([name, targets]) => [...targets].filter((target) => !graph.has(target)).map((target) => `${name}: ${target}`));
  expect(missing.filter((one) => !one.endsWith(".css"))).toEqual([]);
});

const folder = (name: string) => name.split(/[\\/]/)[0] ?? "";

test("every folder has its floor", () => {
  expect([...new Set([...imports().keys()].map(folder))].filter((name) => name !== APART).sort()).toEqual([...FLOORS].sort());
});

test("imports point down", () => {
  const floor = (name: string) => FLOORS.indexOf(folder(name));
  const upward = [...imports()].flatMap(([name, targets]) => [...targets].filter((target) => floor(target) > floor(name)).map((target) => `${name}: ${target}`));
  expect(upward).toEqual([]);
});

test("what is fetched later is found too", () => {
  expect(imports().get(join("menu", "Menu.tsx"))).toContain(join("menu", "panels.ts"));
});

test("no file imports itself by way of others", () => {
  expect(circles(imports())).toEqual([]);
});

test("a circle would be found", () => {
  const graph = new Map([["a", new Set(["b"])], ["b", new Set(["c"])], ["c", new Set(["b"])], ["d", new Set(["e"])], ["e", new Set<string>()]]);
  expect(circles(graph)).toEqual(["a", "b", "c"]);
});
