"""What a worker and its supervisor say to each other over a socket pair: a word a line.

worker ── ready MODEL · erased ──▶ supervisor
worker ◀── others ── supervisor        (the end of the line: the supervisor is gone)
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable


class WorkerLine:
    """The worker's end. `others_serve` once the supervisor has said that other workers take the new connections."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        end.setblocking(False)
        self.others_serve = False

    def ready(self, model: str, *, left_alone: Callable[[], None]) -> None:
        """This worker serves. Calls `left_alone` when the supervisor has gone."""
        self._say(f"ready {model}")
        loop = asyncio.get_running_loop()

        def heard() -> None:
            try:
                words = self._end.recv(1024)
            except BlockingIOError:
                return
            except OSError:
                words = b""
            if b"others" in words:
                self.others_serve = True
            elif not words:
                loop.remove_reader(self._end)
                left_alone()

        loop.add_reader(self._end, heard)

    def erased(self) -> None:
        """A text was erased: the owner of the embedded store is to clean its file."""
        self._say("erased")

    def _say(self, line: str) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more, or has not for very long
            self._end.send(f"{line}\n".encode())
