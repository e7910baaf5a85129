"""WebDriver BiDi (W3C, draft of 2026): commands and events over one WebSocket."""

import json
from contextlib import ExitStack
from typing import Any, Final

from websockets.sync.client import connect

ANSWER_WITHIN_S: Final = 120.0


class BidiError(Exception):
    """What the browser says of a command that it refuses."""


class Bidi:
    """A connection to a browser that speaks BiDi at `url`. Events wait in `events` until somebody looks."""

    def __init__(self, url: str) -> None:
        self._stack = ExitStack()
        # A browser that is put to sleep answers no ping.
        self._socket = self._stack.enter_context(connect(url, max_size=None, ping_interval=None, proxy=None))
        self._last = 0
        self._events: list[dict[str, Any]] = []

    def call(self, method: str, **params: Any) -> Any:
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(ANSWER_WITHIN_S))
            if message["type"] == "event":
                self._events.append(message)
            elif message["id"] != self._last:
                continue
            elif message["type"] == "error":
                raise BidiError(f"{method}: {message['error']}: {message['message']}")
            else:
                return message["result"]

    def events(self) -> list[dict[str, Any]]:
        """All events so far."""
        self.call("session.status")  # what was sent before its answer is here afterwards
        return self._events

    def close(self) -> None:
        self._stack.close()
