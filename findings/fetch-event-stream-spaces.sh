#!/usr/bin/env bash
# The standard takes one space after "data:" away and leaves the rest. Servers that send bare tokens rely on it: the
# tokens "Hello" and " world" are "data: Hello" and "data:  world". fetch-event-stream takes all spaces away, so the
# reply reads "Helloworld" and the lines of a code block lose their indent; JSON data hides it, which is why tests pass.
# It also hands over an id of digits as a Number and any other as a string: 9 and "1700000000000-0" from one server.
set -euo pipefail
VERSION=0.1.6
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT && cd "$dir"
npm init --yes >/dev/null
timeout 120 npm install --silent --no-audit --no-fund --ignore-scripts "fetch-event-stream@$VERSION" eventsource-parser@3.1.1
cat >look.mjs <<'JS'
import { createParser } from "eventsource-parser";
import { events } from "fetch-event-stream";
const stream = "id: 9\ndata: Hello\n\nid: 1700000000000-0\ndata:  world\n\ndata: if x:\ndata:     return\n\n";
const standard = [];
createParser({ onEvent: (event) => standard.push(event.data) }).feed(stream);
const seen = [];
for await (const event of events(new Response(stream))) seen.push(event);
console.log("eventsource-parser:", JSON.stringify(standard));
console.log("fetch-event-stream:", JSON.stringify(seen.map(({ data }) => data)));
console.log("ids:", JSON.stringify(seen.map(({ id }) => id ?? null)));
JS
echo "fetch-event-stream $VERSION, eventsource-parser 3.1.1, node $(node --version)"
timeout 20 node look.mjs | tee seen
grep -qxF 'eventsource-parser: ["Hello"," world","if x:\n    return"]' seen
grep -qxF 'fetch-event-stream: ["Hello","world","if x:\nreturn"]' seen
grep -qxF 'ids: [9,"1700000000000-0",null]' seen
