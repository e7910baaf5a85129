#!/usr/bin/env bash
# Two libraries promise to make something of JSON that was cut anywhere. Most servers in Python write Chinese as escapes
# (json.dumps: "\u4f60\u597d"), so a stream is often cut within one. One would guess that both drop the half escape.
# best-effort-json-parser throws "Bad Unicode escape". untruncate-json drops it where it is the first of its string,
# but after one whole escape it forgets that it is in another: it closes the string behind "\u5" and gives text that
# JSON.parse refuses. A page that shows tool arguments while they arrive fails on Chinese and never on English.
set -euo pipefail
BEST_EFFORT=1.5.1 UNTRUNCATE=0.0.1
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT && cd "$dir"
npm init --yes >/dev/null
timeout 120 npm install --silent --no-audit --no-fund --ignore-scripts \
  "best-effort-json-parser@$BEST_EFFORT" "untruncate-json@$UNTRUNCATE"
cat >look.cjs <<'JS'
const { parse, setErrorLogger } = require("best-effort-json-parser");
const untruncate = require("untruncate-json").default;
setErrorLogger(() => {});
const whole = String.raw`{"a":"\u4f60\u597d"}`;
const fails = { "best-effort-json-parser": [], "untruncate-json": [] };
const ways = { "best-effort-json-parser": parse, "untruncate-json": (text) => JSON.parse(untruncate(text)) };
for (let end = 1; end <= whole.length; end++) {
  for (const [name, read] of Object.entries(ways)) {
    try {
      read(whole.slice(0, end));
    } catch {
      fails[name].push(whole.slice(0, end).slice(6));
    }
  }
}
for (const [name, ends] of Object.entries(fails)) console.log(`${name} fails where the string is cut to: ${ends.join("  ")}`);
JS
echo "best-effort-json-parser $BEST_EFFORT, untruncate-json $UNTRUNCATE, node $(node --version)"
timeout 20 node look.cjs | tee seen
grep -qxF 'best-effort-json-parser fails where the string is cut to: \u  \u4  \u4f  \u4f6  \u4f60\u  \u4f60\u5  \u4f60\u59  \u4f60\u597' seen
grep -qxF 'untruncate-json fails where the string is cut to: \u4f60\  \u4f60\u  \u4f60\u5  \u4f60\u59  \u4f60\u597' seen
