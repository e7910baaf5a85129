#!/usr/bin/env bash
# huggingface_hub 2.4.0, zai-sdk 0.2.3, ollama 0.6.3, openrouter 1.3.84, openai 3.57.0 (PyPI).
#
# Guess: every vendor's client reads a streamed reply in which one token holds U+2028 (LINE SEPARATOR, which comes with
# text that is pasted from PDF and web pages). Unescaped it is valid JSON, and neither server-sent events nor JSON lines
# end a line there. JSON.stringify, orjson, msgspec and serde_json all write it as it stands.
# Found: three of five end in the middle of the reply with JSONDecodeError ("Unterminated string"): they read by the
# iter_lines() of httpx, which ends a line wherever str.splitlines() does. U+0085, the NEL of old mainframes, does the same.
# Matters: a server that sends valid JSON loses these callers at one rare character, and its own log says that all went
# well. One that escapes U+0085, U+2028 and U+2029 in what it sends loses nobody.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
timeout 500 venv/bin/pip install --quiet --disable-pip-version-check huggingface_hub==2.4.0 zai-sdk==0.2.3 ollama==0.6.3 \
  openrouter==1.3.84 openai==3.57.0

cat >clients.py <<'PYTHON'
import http.server, json, threading
import huggingface_hub, ollama, openai, openrouter, zai

PIECES = {"u2028": ["one ", "two\u2028three", " four"], "u0085": ["one ", "two\u0085three", " four"]}

class Model(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        model = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["model"]
        lines = self.path.startswith("/api/")
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson" if lines else "text/event-stream")
        self.end_headers()
        try:
            for piece in [*PIECES[model], None]:
                self.wfile.write((self.line(piece) if lines else self.event(piece)).encode())
            if not lines:
                self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            pass

    def event(self, piece):
        delta = {"role": "assistant", "content": piece} if piece else {}
        choice = {"index": 0, "delta": delta, "finish_reason": None if piece else "stop"}
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"

    def line(self, piece):
        message = {"role": "assistant", "content": piece or ""}
        return json.dumps({"model": "m", "message": message, "done": not piece}, ensure_ascii=False) + "\n"

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
host = f"http://127.0.0.1:{server.server_port}"
messages = [{"role": "user", "content": "hello"}]
clients = {
    "huggingface_hub": huggingface_hub.InferenceClient(base_url=f"{host}/v1", api_key="none").chat.completions.create,
    "zai-sdk": zai.ZaiClient(base_url=f"{host}/v1", api_key="no.ne").chat.completions.create,
    "ollama": ollama.Client(host=host).chat,
    "openrouter": openrouter.OpenRouter(server_url=f"{host}/v1", api_key="none").chat.send,
    "openai": openai.OpenAI(base_url=f"{host}/v1", api_key="none").chat.completions.create,
}

def piece(chunk):
    if isinstance(chunk, ollama.ChatResponse):
        return chunk.message.content
    return chunk.choices[0].delta.content or ""

for model in PIECES:
    for name, ask in clients.items():
        text, end = "", "whole"
        try:
            for chunk in ask(model=model, messages=messages, stream=True):
                text += piece(chunk)
        except json.JSONDecodeError as error:
            end = f"JSONDecodeError: {error.msg}"
        print(f"{model} {name:15} {ascii(text)}, {end}")
PYTHON
found=$(timeout 120 venv/bin/python clients.py)
echo "$found"
[ "$found" = "u2028 huggingface_hub 'one ', JSONDecodeError: Unterminated string starting at
u2028 zai-sdk         'one ', JSONDecodeError: Unterminated string starting at
u2028 ollama          'one ', JSONDecodeError: Unterminated string starting at
u2028 openrouter      'one two\\u2028three four', whole
u2028 openai          'one two\\u2028three four', whole
u0085 huggingface_hub 'one ', JSONDecodeError: Unterminated string starting at
u0085 zai-sdk         'one ', JSONDecodeError: Unterminated string starting at
u0085 ollama          'one ', JSONDecodeError: Unterminated string starting at
u0085 openrouter      'one two\\x85three four', whole
u0085 openai          'one two\\x85three four', whole" ]
echo "as found: three of five clients end at a character that ends no line"
