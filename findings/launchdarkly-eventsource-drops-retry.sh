#!/usr/bin/env bash
# PyPI `launchdarkly-eventsource` 1.7.4: what the server says in `retry:` is read and thrown away.
#
# One would guess, and its own documentation says of `initial_retry_delay`, that a `retry:` line overrides the delay
# before the next connection. Its reader does understand the line and calls back with the number; but both clients, the
# plain and the asyncio one, make the reader without a callback. A server that asks for five seconds (it restarts, or
# spreads its viewers) gets everybody back after one second less jitter, and one that asks for 50 ms waits a second and
# then doubles it. Whoever relies on `retry:` to shape the return of clients has to expect those that never heard it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
timeout 300 "$folder/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary=:all: launchdarkly-eventsource==1.7.4 urllib3==2.8.0

cat >"$folder/see.py" <<'PY'
import sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ld_eventsource import SSEClient
from ld_eventsource.actions import Event, Fault
from ld_eventsource.config import ConnectStrategy, ErrorStrategy

ASKED_MS = int(sys.argv[1])
asked_at = []

class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        asked_at.append(time.monotonic())
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b"retry: %d\ndata: piece\nid: 1\n\n" % ASKED_MS)
    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
connect = ConnectStrategy.http(f"http://127.0.0.1:{server.server_port}/")
events = 0
with SSEClient(connect, error_strategy=ErrorStrategy.always_continue()) as client:
    for action in client.all:
        events += isinstance(action, Event)
        if events == 2:
            break
waited_s = asked_at[1] - asked_at[0]
print(f"launchdarkly-eventsource 1.7.4: asked for {ASKED_MS / 1000} s, came back after {waited_s:.1f} s")
sys.exit(not 0.4 < waited_s < 2)
PY
timeout 60 "$folder/venv/bin/python" "$folder/see.py" 5000
timeout 60 "$folder/venv/bin/python" "$folder/see.py" 50
echo "As found: it comes back after about a second, whatever it was asked for."
