"""What a worker and its supervisor say to each other over a socket pair: a line at a time.

    worker ── ready NAME MODEL · erased ──▶ supervisor
    worker ◀── others · end · hurry · gone NAME ── supervisor        (the end of the line: the supervisor is gone)

`others` tells a worker that is about to end that new connections are for those who stay, `end` that it is to end in
order, `hurry` at once, and `gone` that another has died.
"""

import asyncio
import contextlib
import socket
from typing import Protocol


class Orders(Protocol):
    """Who carries out what the supervisor says."""

    def end(self, *, hurry: bool) -> None: ...

    async def worker_gone(self, worker: str) -> None: ...


class WorkerLine:
    """The worker's end. `others_serve` once the supervisor has said so."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        end.setblocking(False)
        self.others_serve = False
        self._listening: asyncio.Task[None] | None = None

    def ready(self, name: str, model: str, orders: Orders) -> None:
        """This worker serves, and takes orders."""
        self._say(f"ready {name} {model}")
        self._listening = asyncio.create_task(self._listen(orders), name="supervisor")

    def erased(self) -> None:
        """A text was erased: the owner of the embedded store is to clean its file."""
        self._say("erased")

    async def _listen(self, orders: Orders) -> None:
        # A duplicate: the stream closes what it is given, and there is still something to say.
        reader, writer = await asyncio.open_connection(sock=self._end.dup())
        with contextlib.suppress(OSError):
            async for line in reader:
                word, _, name = line.decode().strip().partition(" ")
                match word:
                    case "others":
                        self.others_serve = True
                    case "gone":
                        await orders.worker_gone(name)
                    case "end":
                        orders.end(hurry=False)
                    case "hurry":
                        orders.end(hurry=True)
        writer.close()
        orders.end(hurry=True)  # the supervisor is gone, and with it perhaps the store

    def _say(self, line: str) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more, or has not for very long
            self._end.send(f"{line}\n".encode())
