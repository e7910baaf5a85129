"""What a worker and its supervisor say to each other over a socket pair: a line at a time.

    worker ── ready NAME MODEL · erased ──▶ supervisor
    worker ◀── others · gone NAME ── supervisor        (the end of the line: the supervisor is gone)

`others` tells a worker that is about to end that new connections are for those who stay, `gone` that another has died.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from typing import Any


class WorkerLine:
    """The worker's end. `others_serve` once the supervisor has said so. Calls `left_alone` when the supervisor has
    gone.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        end.setblocking(False)
        self.others_serve = False
        self._listening: asyncio.Task[None] | None = None

    def ready(
        self, name: str, model: str, *, gone: Callable[[str], Coroutine[Any, Any, None]], left_alone: Callable[[], None]
    ) -> None:
        """This worker serves."""
        self._say(f"ready {name} {model}")
        self._listening = asyncio.create_task(self._listen(gone, left_alone), name="supervisor")

    def erased(self) -> None:
        """A text was erased: the owner of the embedded store is to clean its file."""
        self._say("erased")

    async def _listen(self, gone: Callable[[str], Coroutine[Any, Any, None]], left_alone: Callable[[], None]) -> None:
        # A duplicate: the stream closes what it is given, and there is still something to say.
        reader, writer = await asyncio.open_connection(sock=self._end.dup())
        with contextlib.suppress(OSError):
            async for line in reader:
                word, _, name = line.decode().strip().partition(" ")
                if word == "others":
                    self.others_serve = True
                elif word == "gone":
                    await gone(name)
        writer.close()
        left_alone()

    def _say(self, line: str) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more, or has not for very long
            self._end.send(f"{line}\n".encode())
