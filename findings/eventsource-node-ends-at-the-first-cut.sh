#!/usr/bin/env bash
# npm `eventsource` 5 in Node: a script that only follows a stream ends at the first cut, with exit code 0.
#
# One would guess that an EventSource keeps its process alive until it is closed, as it does while it is connected, and
# as version 3 does also while it waits to come back. Version 5 calls unref() on the timer of its reconnect: where
# nothing else keeps Node busy, the process is over in the second after a cut. No error is thrown, "error" is the same
# event as at every reconnect, and the exit code says that all went well: half a reply looks like a whole one to whatever
# started the script. A server cannot help it; the script has to keep itself alive, or count what it got.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null 2>&1
timeout 120 npm install --silent --no-audit --no-fund eventsource@5.1.5 eventsource-3@npm:eventsource@3.0.7 2>/dev/null

cat >server.mjs <<'JS'
// Two events, then the connection is reset; two more for whoever comes back; then 204.
import { createServer } from "node:http";
const server = createServer((request, response) => {
  const last = Number(request.headers["last-event-id"] ?? 0);
  if (last >= 4) return response.writeHead(204).end();
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write("retry: 500\n");
  for (const id of [last + 1, last + 2]) response.write(`data: piece ${id}\nid: ${id}\n\n`);
  setTimeout(() => request.socket.resetAndDestroy(), 200);
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
JS
cat >follow.mjs <<'JS'
const { EventSource } = await import(process.argv[2]);
const source = new EventSource(process.argv[3]);
const seen = [];
source.onmessage = ({ data }) => seen.push(data);
source.onerror = () => source.readyState === EventSource.CLOSED && source.close();
process.on("exit", (code) => console.log(JSON.stringify({ seen, code })));
JS

node server.mjs >port & server=$!
trap 'kill $server 2>/dev/null; rm -rf "$folder"' EXIT
for _ in $(seq 50); do [ -s port ] && break; sleep 0.1; done
url="http://127.0.0.1:$(cat port)/"

echo "node $(node --version)"
for package in eventsource-3 eventsource; do
  version=$(node -p "require('./node_modules/$package/package.json').version")
  result=$(timeout 20 node follow.mjs "$package" "$url") || result="exit code $?"
  echo "eventsource $version: $result"
done | tee seen
grep -q 'eventsource 3.0.7: {"seen":\["piece 1","piece 2","piece 3","piece 4"\],"code":0}' seen
grep -q 'eventsource 5.1.5: {"seen":\["piece 1","piece 2"\],"code":0}' seen
echo "As found: version 3 sees four pieces, version 5 two, both with exit code 0."
