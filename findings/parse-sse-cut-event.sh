#!/usr/bin/env bash
# The standard discards an event that is not followed by an empty line when the stream ends: it may be cut. parse-sse
# hands it over as a whole one, so after a proxy's cut a half JSON text, or worse, half a sentence of plain text or a
# number without its last digits, counts as received together with its id, and a client that resumes after this id never
# sees the rest. On the other hand an event "data:" with an empty text, which the standard dispatches, never arrives.
set -euo pipefail
VERSION=0.1.0
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT && cd "$dir"
npm init --yes >/dev/null
timeout 120 npm install --silent --no-audit --no-fund --ignore-scripts "parse-sse@$VERSION" eventsource-parser@3.1.1
cat >look.mjs <<'JS'
import { createParser } from "eventsource-parser";
import { parseServerSentEvents } from "parse-sse";
const stream = "id: 1\ndata: one\n\ndata:\n\nid: 2\ndata: the price is 12";
const standard = [];
createParser({ onEvent: ({ data, id }) => standard.push([data, id ?? ""]) }).feed(stream);
const seen = [];
const answer = new Response(stream, { headers: { "content-type": "text/event-stream" } });
for await (const { data, lastEventId } of parseServerSentEvents(answer)) seen.push([data, lastEventId]);
console.log("eventsource-parser:", JSON.stringify(standard));
console.log("parse-sse:", JSON.stringify(seen));
JS
echo "parse-sse $VERSION, eventsource-parser 3.1.1, node $(node --version)"
timeout 20 node look.mjs | tee seen
grep -qxF 'eventsource-parser: [["one","1"],["",""]]' seen
grep -qxF 'parse-sse: [["one","1"],["the price is 12","2"]]' seen
