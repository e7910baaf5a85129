#!/usr/bin/env bash
# LiteLLM in front of a model server: the token counts of a streamed reply are not those of the server.
# One would guess that `usage` is passed on where the server sends it, and is missing where it sends none.
# What happens: (1) a server that counts its thoughts beside `completion_tokens` (prompt 7, completion 9, thoughts 83,
# total 99) comes out with total 16: the total is computed again and 83 tokens that are paid for are in no sum, though
# `reasoning_tokens: 83` still stands there, more than the whole. (2) A server that sends no usage comes out with one all
# the same, counted by a vocabulary that need not be the model's, and nothing marks it as a guess.
# Why it matters: software that bills or budgets by `usage`, and says "estimated" where it has to guess, is told guesses
# as facts and sums that are too small.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
timeout 400 venv/bin/pip --disable-pip-version-check --quiet install litellm==1.108.7 2>pip.log || { tail -3 pip.log; exit 2; }
cat >look.py <<'PYTHON'
import importlib.metadata
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import litellm

USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 9,
    "total_tokens": 99,
    "completion_tokens_details": {"reasoning_tokens": 83},
}


def event(choices: list[object], **more: object) -> str:
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **more}
    return f"data: {json.dumps(chunk)}\n\n"


REPLY = event([{"index": 0, "delta": {"role": "assistant", "content": "sesquipedalian"}, "finish_reason": None}])
REPLY += event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
STREAMS = {"counted": REPLY + event([], usage=USAGE) + "data: [DONE]\n\n", "uncounted": REPLY + "data: [DONE]\n\n"}


class Server(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(STREAMS[asked["model"]].encode())

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("litellm", importlib.metadata.version("litellm"))
found = {}
for name in STREAMS:
    chunks = litellm.completion(
        model=f"openai/{name}",
        api_base=f"http://127.0.0.1:{server.server_port}/v1",
        api_key="none",
        messages=[{"role": "user", "content": "hi"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    usage = [chunk.usage for chunk in chunks if getattr(chunk, "usage", None)][-1]
    details = usage.completion_tokens_details
    found[name] = (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, details and details.reasoning_tokens)
    print(f"{name:10} prompt, completion, total, thoughts: {found[name]}")
counted, uncounted = found["counted"], found["uncounted"]
same = counted == (7, 9, 16, 83) and uncounted[0] > 0 and uncounted[1] > 0 and uncounted[2] == sum(uncounted[:2])
print("as described" if same else "CHANGED")
raise SystemExit(not same)
PYTHON
LITELLM_LOCAL_MODEL_COST_MAP=True timeout 120 venv/bin/python look.py 2>err.log || { status=$?; tail -3 err.log; exit "$status"; }
