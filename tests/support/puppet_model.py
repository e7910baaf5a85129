"""An OpenAI-compatible server whose replies a test speaks piece by piece, so that the middle of a reply lasts as long
as the test wants.
"""

import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

ASKED_WITHIN_S = 60.0


class Reply:
    """One request for a reply. `messages` is the prompt that came with it, `body` all of it."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self.messages: list[dict[str, str]] = body["messages"]
        self.pieces: queue.SimpleQueue[dict[str, str] | None] = queue.SimpleQueue()
        self.reason = "stop"

    def say(self, piece: str) -> None:
        self.pieces.put({"content": piece})

    def think(self, piece: str) -> None:
        self.pieces.put({"reasoning_content": piece})

    def end(self, reason: str = "stop") -> None:
        """Nothing more comes, for a `reason` of the protocol's: `stop` where the reply is complete."""
        self.reason = reason
        self.pieces.put(None)


class PuppetModel:
    """Answers on a free port of 127.0.0.1 from entering to leaving. `replies` are all that were asked for."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self._asked: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="puppet model")
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.forget()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()  # waits for the threads of the replies

    def next_reply(self) -> Reply:
        """The next reply that the server asks for."""
        return self._asked.get(timeout=ASKED_WITHIN_S)

    def forget(self) -> None:
        """Ends all replies and counts from none again."""
        for reply in self.replies:
            reply.end()
        self.replies.clear()
        self._asked = queue.SimpleQueue()

    def _asks(self, body: dict[str, Any]) -> Reply:
        reply = Reply(body)
        self.replies.append(reply)
        self._asked.put(reply)
        return reply

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                reply = model._asks(body)
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                try:
                    while (piece := reply.pieces.get()) is not None:
                        self._event(piece, None)
                    self._event({}, reply.reason)
                    self.wfile.write(b"data: [DONE]\n\n")
                except ConnectionError:
                    pass  # the reply was stopped

            def _event(self, delta: dict[str, str], finish: str | None) -> None:
                choice = {"index": 0, "delta": delta, "finish_reason": finish}
                self.wfile.write(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())

            def log_message(self, format: str, *arguments: object) -> None:
                """Tests are quiet."""

        return Handler
