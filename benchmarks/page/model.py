"""A model's server that says what it is told at the pace it is told, and knows when it said it."""

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Plan:
    """A reply: its pieces, one write each. `first_s` passes before the first one, `rest_s` between the last one and
    the end.
    """

    pieces: Sequence[str]
    per_s: float
    first_s: float = 0.0
    rest_s: float = 0.0


@dataclass(frozen=True)
class Said:
    """How it went: what the model itself waited before the first piece, and the pace that it kept."""

    first_s: float
    per_s: float


class PacedModel:
    """Answers on a free port of 127.0.0.1 from entering to leaving. Whoever asks gets the next plan."""

    def __init__(self) -> None:
        self.plan = Plan(["Nothing was planned."], 1)
        self.said: Said | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="paced model")
        self.port: int = self._server.server_port

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = time.perf_counter()
                self.rfile.read(int(self.headers["Content-Length"]))
                plan = model.plan
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                try:
                    model.said = self._say(plan, asked)
                    self._event({}, "stop")
                    self.wfile.write(b"data: [DONE]\n\n")
                except ConnectionError:
                    pass  # the reply was stopped

            def _say(self, plan: Plan, asked: float) -> Said:
                time.sleep(plan.first_s)
                began = time.perf_counter()
                for number, piece in enumerate(plan.pieces):
                    if (early := began + number / plan.per_s - time.perf_counter()) > 0:
                        time.sleep(early)
                    self._event({"content": piece}, None)
                took = time.perf_counter() - began
                time.sleep(plan.rest_s)
                return Said(began - asked, (len(plan.pieces) - 1) / took if len(plan.pieces) > 1 else 0.0)

            def _event(self, delta: dict[str, str], finish: str | None) -> None:
                choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": finish}
                self.wfile.write(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())

            def log_message(self, format: str, *arguments: object) -> None:
                """Nobody reads it."""

        return Handler
