#!/usr/bin/env bash
# remend closes what is still open in Markdown that arrives in pieces, before any renderer sees it. It cannot know that
# a text is complete, so one would guess that it closes only what CommonMark would read as opened. It also closes stars
# and underscores that open nothing: "2 ** 3 is 8" gets "**" at its end, "_config.yml" turns italic and loses its
# underscore, and so does all behind the "*" in quotes. A "<" is deleted with the word behind it where they come last.
# Where it stays switched on when a reply has ended, readers keep what the model never wrote, and miss what it wrote.
set -euo pipefail
VERSION=1.4.0
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT && cd "$dir"
npm init --yes >/dev/null
timeout 180 npm install --silent --no-audit --no-fund --ignore-scripts "remend@$VERSION" commonmark@0.31.2
cat >look.mjs <<'JS'
import { HtmlRenderer, Parser } from "commonmark";
import remend from "remend";
const html = (text) => new HtmlRenderer().render(new Parser().parse(text)).trim();
for (const text of ["2 ** 3 is 8", "The file is named _config.yml", 'the "*" sign', "true if a <b"]) {
  console.log(`${text}  |  CommonMark: ${html(text)}  |  after remend: ${html(remend(text))}`);
}
JS
echo "remend $VERSION, commonmark.js 0.31.2, node $(node --version)"
timeout 20 node look.mjs | tee seen
grep -qF '<p>2 ** 3 is 8</p>  |  after remend: <p>2 ** 3 is 8**</p>' seen
grep -qF '<p>The file is named _config.yml</p>  |  after remend: <p>The file is named <em>config.yml</em></p>' seen
grep -qF 'after remend: <p>the &quot;<em>&quot; sign</em></p>' seen
grep -qF '<p>true if a &lt;b</p>  |  after remend: <p>true if a</p>' seen
