#!/usr/bin/env bash
# LiteLLM in front of a model server: a reply that broke off comes out as one that is complete.
# One would guess that a gateway passes on how a stream ended: without a finish reason where the server sent none, with
# the server's own word where it sent "network_error".
# What happens: a stream that stops after half a sentence without `finish_reason` and without `[DONE]` (which is how many
# servers and proxies show a failure, for an HTTP body may end in order), one whose reason is "network_error", and one
# without any text at all all end with `finish_reason: "stop"`, the same as a whole reply.
# Why it matters: software behind such a gateway cannot tell half a reply from a whole one, so it neither says so nor
# offers to go on; only an empty reply gives itself away.
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

DONE = "data: [DONE]\n\n"


def event(delta: dict[str, str], reason: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return f"data: {json.dumps({'id': 'x', 'object': 'chat.completion.chunk', 'created': 1, 'model': 'm', 'choices': [choice]})}\n\n"


HALF = event({"role": "assistant", "content": "The answer is"})
STREAMS = {
    "whole": HALF + event({}, "stop") + DONE,
    "no-end": HALF,
    "network-error": HALF + event({}, "network_error") + DONE,
    "nothing": DONE,
    "length": HALF + event({}, "length") + DONE,
}


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
    )
    choices = [choice for chunk in chunks for choice in chunk.choices]
    text = "".join(choice.delta.content or "" for choice in choices)
    found[name] = text, [choice.finish_reason for choice in choices if choice.finish_reason]
    print(f"server's stream: {name:14} out of LiteLLM: {found[name]}")
half = "The answer is"
expected = {name: (half, ["stop"]) for name in STREAMS} | {"nothing": ("", ["stop"]), "length": (half, ["length"])}
print("as described" if found == expected else "CHANGED")
raise SystemExit(found != expected)
PYTHON
LITELLM_LOCAL_MODEL_COST_MAP=True timeout 120 venv/bin/python look.py 2>err.log || { status=$?; tail -3 err.log; exit "$status"; }
