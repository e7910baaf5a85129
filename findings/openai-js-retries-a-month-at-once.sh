#!/usr/bin/env bash
# openai 6.49.0 (npm) on Node 20 to 24, beside openai 3.57.0 (PyPI): a 429 whose Retry-After is long.
#
# Guess: a client that honours Retry-After waits as told, or gives up at once where that is too long to wait.
# Found: the JavaScript client has no upper bound. Told 23 days (2,000,000 s) create() just stays pending. Told 30 days
# (2,592,000 s, "when the month's quota begins anew") the wait does not fit setTimeout's 32 bits, becomes 1 ms, and all
# retries reach the server within a tenth of a second. The Python client of the same vendor raises at once over 120 s.
# Matters: a server with monthly budgets that tells the true time is hit three times at once by each refused call, and
# one with shorter budgets hangs its callers for days. Send at most what somebody would wait for.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
printf '{"private": true, "type": "module"}\n' >package.json
timeout 300 npm install --silent --no-audit --no-fund --ignore-scripts openai@6.49.0
python3 -m venv venv
timeout 300 venv/bin/pip install --quiet --disable-pip-version-check openai==3.57.0

cat >server.mjs <<'JS'
import http from "node:http";
// Answers every request with 429 and the Retry-After that stands in its path, and counts.
export async function refusing(seconds) {
  const times = [];
  const server = http.createServer((request, response) => {
    request.resume().on("end", () => {
      times.push(performance.now());
      response.writeHead(429, { "Retry-After": seconds, "Content-Type": "application/json" });
      response.end('{"error": {"message": "the budget of this month is used up", "code": "quota_exhausted"}}');
    });
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { url: `http://127.0.0.1:${server.address().port}/v1`, times, close: () => (server.closeAllConnections(), server.close()) };
}
JS
cat >javascript.mjs <<'JS'
import OpenAI from "openai";
import { refusing } from "./server.mjs";
process.on("warning", () => {});
const ask = (url) => new OpenAI({ apiKey: "none", baseURL: url }).chat.completions
  .create({ model: "m", messages: [{ role: "user", content: "hello" }] })
  .then(() => "answered", (error) => `raised ${error.status}`);
for (const [days, seconds] of [[23, "2000000"], [30, "2592000"]]) {
  const server = await refusing(seconds);
  const outcome = await Promise.race([ask(server.url), new Promise((go) => setTimeout(go, 5000, "pending"))]);
  const span = server.times.at(-1) - server.times[0];
  console.log(`${days} days: ${outcome}, ${server.times.length} calls${server.times.length > 1 && span < 1000 ? " within a second" : ""}`);
  server.close();
}
process.exit(0);
JS
cat >python.mjs <<'JS'
import { spawn } from "node:child_process";
import { refusing } from "./server.mjs";
const server = await refusing("2592000");
const code = `
import openai
try:
    openai.OpenAI(api_key="none", base_url="${server.url}").chat.completions.create(
        model="m", messages=[{"role": "user", "content": "hello"}])
except openai.RateLimitError as error:
    print("raised", error.status_code)
`;
const child = spawn("venv/bin/python", ["-c", code], { stdio: ["ignore", "pipe", "inherit"] });
let said = "";
child.stdout.on("data", (piece) => (said += piece));
child.on("close", () => { console.log(`30 days: ${said.trim()}, ${server.times.length} calls`); process.exit(0); });
JS
echo "node $(node --version), openai 6.49.0 (npm):"
javascript=$(timeout 60 node javascript.mjs)
echo "$javascript"
echo "openai 3.57.0 (PyPI):"
python=$(timeout 60 node python.mjs)
echo "$python"
[ "$javascript" = "23 days: pending, 1 calls
30 days: raised 429, 3 calls within a second" ]
[ "$python" = "30 days: raised 429, 1 calls" ]
echo "as found: a wait of 30 days is made into no wait at all"
