"""What a worker and its supervisor say to each other over a socket pair: a line at a time.

    worker ── ready NAME MODEL · erased · model JSON · counted JSON · scrape ──▶ supervisor
    worker ◀── others · end · hurry · gone NAME · model JSON · count · scraped JSON ── supervisor   (end: it is gone)

`others` says to a worker that is about to end that new connections are for those who stay, `end` that it is to end in
order, `hurry` at once, and `gone` that another has died. `model` is about the local model that all workers share
(`shared_model`). `count` asks what a worker has counted, which it says in `counted`, and once more before it ends;
with `scrape` it asks what all of them together have.
"""

import asyncio
import contextlib
import socket
from typing import Final, Protocol

import msgspec

from lianhua.metrics import Snapshot, snapshot
from lianhua.server.shared_model import BorrowedHost

SCRAPE_TIMEOUT_S: Final = 5.0  # a worker that does not answer is left out; Prometheus waits 10 s
LINE_BYTES: Final = 1024 * 1024  # what a worker has counted, with 500 models, is 100 KB


class Orders(Protocol):
    """Who carries out what the supervisor says."""

    def end(self, *, hurry: bool) -> None: ...

    async def worker_gone(self, worker: str) -> None: ...


class SupervisorLink:
    """The worker's end: `open` it first. `others_serve` once the supervisor has said so; `model_host` is the
    supervisor's.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self.others_serve = False
        self.model_host = BorrowedHost(lambda line: self._say(f"model {line}"))
        self._orders: Orders | None = None
        self._is_lost = False
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._scraping: asyncio.Future[Snapshot] | None = None

    async def open(self) -> None:
        """From now on it hears and can say something."""
        # A duplicate: the stream closes what it is given.
        reader, self._writer = await asyncio.open_connection(sock=self._end.dup(), limit=LINE_BYTES)
        self._listening = asyncio.create_task(self._listen(reader), name="supervisor")

    def ready(self, name: str, model: str, orders: Orders) -> None:
        """This worker serves, and takes orders."""
        self._orders = orders
        self._say(f"ready {name} {model}")
        if self._is_lost:
            orders.end(hurry=True)

    def erased(self) -> None:
        """A text was erased: the owner of the embedded store is to clean its file."""
        self._say("erased")

    def ending(self) -> None:
        """This worker is about to end: what it has counted stays true."""
        self._say_counted()

    async def scrape(self) -> Snapshot:
        """What all workers have counted; of this one alone where the supervisor does not say."""
        if self._scraping is None or self._scraping.done():
            self._scraping = asyncio.get_running_loop().create_future()
            self._say("scrape")
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(self._scraping), SCRAPE_TIMEOUT_S * 2)
        return snapshot()

    def _say_counted(self) -> None:
        self._say(f"counted {msgspec.json.encode(snapshot()).decode()}")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            async for line in reader:
                word, _, rest = line.decode().strip().partition(" ")
                if word == "model":
                    self.model_host.heard(rest)
                elif word == "count":
                    self._say_counted()
                elif word == "scraped":
                    if self._scraping and not self._scraping.done():
                        self._scraping.set_result(msgspec.json.decode(rest, type=Snapshot))
                elif self._orders:
                    await self._obey(self._orders, word, rest)
        self._is_lost = True
        self.model_host.lost()
        if self._orders:
            self._orders.end(hurry=True)  # the supervisor is gone, and with it perhaps the store

    async def _obey(self, orders: Orders, word: str, name: str) -> None:
        match word:
            case "others":
                self.others_serve = True
            case "gone":
                await orders.worker_gone(name)
            case "end":
                orders.end(hurry=False)
            case "hurry":
                orders.end(hurry=True)

    def _say(self, line: str) -> None:
        if self._writer and not self._writer.is_closing():
            self._writer.write(f"{line}\n".encode())
