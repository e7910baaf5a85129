#!/usr/bin/env bash
# streaming-markdown renders a model's reply into the DOM piece by piece, and is known to be small rather than complete.
# One would still guess that it loses no text. It does where prose names code without backquotes: "snake_case_name"
# comes out as snake<em>case</em>name, and the "[0]" of "items[0]" as a link without an address and without its
# brackets. A reader sees snakecasename and items0, and what is copied from the page is another identifier.
set -euo pipefail
VERSION=0.2.15
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT && cd "$dir"
npm init --yes >/dev/null
timeout 240 npm install --silent --no-audit --no-fund --ignore-scripts "streaming-markdown@$VERSION" linkedom@0.18.12 commonmark@0.31.2
cat >look.mjs <<'JS'
import { HtmlRenderer, Parser } from "commonmark";
import { parseHTML } from "linkedom";
import * as smd from "streaming-markdown";
const { document } = parseHTML("<!doctype html><body></body>");
globalThis.document = document;
for (const text of ["call snake_case_name now", "take items[0] first"]) {
  const host = document.createElement("div");
  const parser = smd.parser(smd.default_renderer(host));
  for (const character of text) smd.parser_write(parser, character);
  smd.parser_end(parser);
  const common = new HtmlRenderer().render(new Parser().parse(text)).trim();
  console.log(`${text}  |  CommonMark: ${common}  |  streaming-markdown: ${host.innerHTML}`);
}
JS
echo "streaming-markdown $VERSION, commonmark.js 0.31.2, node $(node --version)"
timeout 20 node look.mjs | tee seen
grep -qF 'streaming-markdown: <p>call snake<em>case</em>name now</p>' seen
grep -qF 'streaming-markdown: <p>take items<a>0</a> first</p>' seen
