/** The files of the page import each other without a circle, types included. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const SOURCE = fileURLToPath(new URL("../src", import.meta.url));
// What is imported when a file is loaded; `import()` loads later, and may name whoever it likes.
const IMPORT = /^[ \t]*(?:import|export)\s+(?:[^;"()=]*?\sfrom\s+)?"(\.[^"]+\.tsx?)"/gm;

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

test("no file imports itself by way of others", () => {
  expect(circles(imports())).toEqual([]);
});

test("a circle would be found", () => {
  const graph = new Map([["a", new Set(["b"])], ["b", new Set(["c"])], ["c", new Set(["b"])], ["d", new Set(["e"])], ["e", new Set<string>()]]);
  expect(circles(graph)).toEqual(["a", "b", "c"]);
});
