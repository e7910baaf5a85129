"""Where the tests of an ill store take place: our server, the store behind it, a network between, a disk that fills."""

import asyncio
import contextlib
import resource
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.client import Client
from tests.support.ledger import Watcher
from tests.support.server_log import met_no_bug
from tests.support.server_process import ServerProcess
from tests.support.servers.program import Flavour
from tests.support.servers.proxy import Proxy
from tests.support.servers.redis_server import RedisServer

SCRIPT = Path(__file__).with_name("store_faults.toml")
# What the script there says to "[steady]" and to "[short]".
STEADY = "".join(["<1>", "连", "话 ", "🪷", "\n", "a", "é", "\r\n", '"}', "next "]) * 16
SHORT = "one two 三 " * 4
DURABLE = {"appendonly": "yes", "appendfsync": "everysec"}
UNLIMITED = resource.RLIM_INFINITY


@dataclass(frozen=True)
class Room:
    """One scenario's own: a folder, connections without a limit, and what goes on meanwhile."""

    folder: Path
    session: aiohttp.ClientSession
    _tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    _servers: list[ServerProcess] = field(default_factory=list)

    async def start(self, **environment: str) -> ServerProcess:
        """A server of ours, started in a thread, for in the loop the network has to go on."""
        server = await asyncio.to_thread(_start, self.folder, environment)
        self._servers.append(server)
        return server

    def person(self, server: ServerProcess, name: str = "alice") -> Client:
        return Client(self.session, server.url, name)

    def watch(self, client: Client, conversation: str, turn: str) -> Watcher:
        watcher = Watcher(self.session, client, conversation, turn)
        self._tasks.append(watcher.task)
        return watcher

    def meanwhile(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name="meanwhile")
        self._tasks.append(task)
        return task

    async def clear(self) -> None:
        """Ends whatever is left."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in self._servers:
            await asyncio.to_thread(server.kill)

    def is_free_of_bugs(self) -> None:
        """No server met anything that it had not been made for."""
        for server in self._servers:
            met_no_bug(server)


@dataclass(frozen=True)
class Place:
    """A server of ours, the store behind it, and the network between the two."""

    server: ServerProcess
    store: RedisServer
    network: Proxy
    alice: Client


@asynccontextmanager
async def place(room: Room, flavour: Flavour) -> AsyncIterator[Place]:
    """A server on a store with an append-only file, with a network between them that can be made bad."""
    with ExitStack() as stack:
        with no_signal_for_large_files():
            store = stack.enter_context(RedisServer(room.folder / "store", flavour=flavour, config=DURABLE))
        async with Proxy(store.port) as network:
            server = await room.start(REDIS_URL=f"redis://127.0.0.1:{network.port}/0")
            yield Place(server, store, network, room.person(server))


def _start(folder: Path, environment: dict[str, str]) -> ServerProcess:
    with no_signal_for_large_files():
        return ServerProcess(folder, LIANHUA_SCRIPT=str(SCRIPT), **environment)


@contextmanager
def no_signal_for_large_files() -> Iterator[None]:
    """Processes that this thread starts meanwhile get an error for a file that grows past its limit, as on a full disk,
    and no deadly signal: that it is blocked is inherited (signal(7)).
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGXFSZ})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_files_grow_to(size_bytes: int, *pids: int) -> None:
    """The disk of these processes, and of those that they start, is full where a file is so large (prlimit(2))."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes, UNLIMITED))


def size_of_log(folder: Path) -> int:
    """Of the largest file of an append-only log, in bytes."""
    return max(file.stat().st_size for file in folder.rglob("*.aof"))
