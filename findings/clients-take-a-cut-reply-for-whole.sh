#!/usr/bin/env bash
# openai 3.57.0 (PyPI), openai 6.49.0 (npm), llm 0.36 (PyPI), ai 6.0.326 with @ai-sdk/openai-compatible 2.0.92 (npm):
# a chat completion whose stream ends in the middle of a sentence, with a well-formed end of the HTTP body but neither a
# finish_reason nor "[DONE]". Caddy and HTTP/2 proxies end a stream so whose server died behind them.
#
# Guess: "[DONE]" is what the protocol ends with, so a client that never saw it, nor a reason, says that something failed.
# Found: three of the four say nothing. openai's iterators just end, in both languages; its .stream() helper in Python
# hands out a "final completion" with finish_reason None; llm prints the half sentence, exits 0 and logs it as a reply.
# Only ai reports the finish reason "error", and gives the text all the same.
# Matters: behind such a proxy the only proof that a reply is whole is one that the server itself puts into the stream.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
printf '{"private": true, "type": "module"}\n' >package.json
timeout 400 npm install --silent --no-audit --no-fund --ignore-scripts openai@6.49.0 ai@6.0.326 @ai-sdk/openai-compatible@2.0.92
python3 -m venv venv
timeout 400 venv/bin/pip install --quiet --disable-pip-version-check openai==3.57.0 llm==0.36

cat >javascript.mjs <<'JS'
import OpenAI from "openai";
import { streamText } from "ai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
const baseURL = process.argv[2];
let text = "";
const stream = await new OpenAI({ apiKey: "none", baseURL }).chat.completions
  .create({ model: "m", messages: [{ role: "user", content: "hello" }], stream: true });
for await (const chunk of stream) text += chunk.choices[0].delta.content ?? "";
console.log(`openai (npm): "${text}", no error`);
const reply = streamText({ model: createOpenAICompatible({ name: "m", apiKey: "none", baseURL })("m"), prompt: "hello" });
console.log(`ai (npm): "${await reply.text}", finish reason ${await reply.finishReason}`);
JS
cat >all.py <<'PYTHON'
import http.server, json, os, pathlib, subprocess, threading
import openai

class Cut(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in ("It is not ", "the "):
            choice = {"index": 0, "delta": {"role": "assistant", "content": piece}, "finish_reason": None}
            chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
            event = f"data: {json.dumps(chunk)}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cut)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1"
client = openai.OpenAI(api_key="none", base_url=url)
question = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}

text = "".join(chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(**question, stream=True))
print(f'openai (PyPI): "{text}", no error')
with client.chat.completions.stream(**question) as events:
    choice = events.get_final_completion().choices[0]
print(f'openai (PyPI) .stream(): "{choice.message.content}", finish reason {choice.finish_reason}')

home = pathlib.Path("llm").absolute()
home.mkdir()
(home / "extra-openai-models.yaml").write_text(f"- model_id: cut\n  model_name: m\n  api_base: {url}\n")
environ = {**os.environ, "LLM_USER_PATH": str(home), "OPENAI_API_KEY": "none"}
said = subprocess.run(["venv/bin/llm", "-m", "cut", "hello"], env=environ, capture_output=True, text=True, timeout=60)
kept = json.loads(subprocess.check_output(["venv/bin/llm", "logs", "--json"], env=environ, text=True, timeout=60))
print(f'llm: "{said.stdout.rstrip(chr(10))}", exit {said.returncode}, logged {len(kept)}')
print(subprocess.check_output(["node", "javascript.mjs", url], text=True, timeout=60), end="")
PYTHON
found=$(timeout 200 venv/bin/python all.py)
echo "$found"
[ "$found" = 'openai (PyPI): "It is not the ", no error
openai (PyPI) .stream(): "It is not the ", finish reason None
llm: "It is not the ", exit 0, logged 1
openai (npm): "It is not the ", no error
ai (npm): "It is not the ", finish reason error' ]
echo "as found: three of four clients take a cut reply for a whole one"
