#!/usr/bin/env bash
# A parser for JSON that is still arriving (tool-call arguments of a model) should at least read JSON that has arrived
# whole. incomplete-json-parser gives other numbers for valid, complete documents: an exponent's "e" is dropped and its
# digits are appended, so [1e5] becomes [15] and [1.5e-3] becomes [1.53], without an error; an empty object that is not
# the outermost value ends with "Expected". A price or a temperature in the arguments of a tool is then wrong by powers
# of ten, and only for the numbers that the model happens to write in this form.
set -euo pipefail
VERSION=1.1.5
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT && cd "$dir"
npm init --yes >/dev/null
timeout 120 npm install --silent --no-audit --no-fund --ignore-scripts "incomplete-json-parser@$VERSION"
cat >look.cjs <<'JS'
const { IncompleteJsonParser } = require("incomplete-json-parser");
for (const text of ["[1e5]", "[1.5e-3]", "[1E+2,3]", '{"a":{},"b":[]}']) {
  let got;
  try {
    got = JSON.stringify(IncompleteJsonParser.parse(text));
  } catch (error) {
    got = `threw: ${error.message}`;
  }
  console.log(`${text}  JSON.parse: ${JSON.stringify(JSON.parse(text))}  incomplete-json-parser: ${got}`);
}
JS
echo "incomplete-json-parser $(node -p 'require("incomplete-json-parser/package.json").version'), node $(node --version)"
timeout 20 node look.cjs | tee seen
grep -qF '[1e5]  JSON.parse: [100000]  incomplete-json-parser: [15]' seen
grep -qF '[1.5e-3]  JSON.parse: [0.0015]  incomplete-json-parser: [1.53]' seen
grep -qF '{"a":{},"b":[]}  JSON.parse: {"a":{},"b":[]}  incomplete-json-parser: threw: Expected' seen
