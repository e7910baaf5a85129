"""Hints that something has happened in a conversation: one subscriber connection for each server, however many listen.

A hint may be lost, and then nothing is: the journal is the record, and whoever waits for a hint looks there after a
while anyway. The channels are sharded (Redis 7), so that in a Cluster a hint goes to the one node that holds the
conversation.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any, Final

from redis.exceptions import MovedError, RedisError, ResponseError

from lianhua.errors import StoreUnavailable, Unavailable
from lianhua.store.client.client import StoreClient
from lianhua.store.client.topology import Node, Nodes

logger = logging.getLogger(__name__)

PING_S: Final = 5.0  # a connection that is silent for so long is asked whether it still lives
RECONNECT_S: Final = 0.1
LONGEST_RECONNECT_S: Final = 1.0
REROUTE_S: Final = 1.0  # how late a slot that has moved is followed

Heard = Callable[[bytes], None]


class Bell:
    """Rung by hints. `reset` it before looking, so that what comes while one looks is not missed."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self, hint: bytes = b"") -> None:
        self._rung.set()

    def reset(self) -> None:
        self._rung.clear()

    async def wait(self, timeout_s: float) -> None:
        """Returns when it has been rung, at the latest after `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._rung.wait()


class PubSub:
    """From `start` to `stop`. What is heard is handed to every listener of the channel; `b""` when hints may have been
    lost.
    """

    def __init__(self, database: StoreClient) -> None:
        self._database = database
        self._nodes = database.nodes
        self._listeners: dict[str, list[Heard]] = {}
        self._lines: dict[str, _Line] = {}
        self._rerouting: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._rerouting = asyncio.create_task(self._reroute(), name="reroute subscriptions")

    async def stop(self) -> None:
        if self._rerouting:
            self._rerouting.cancel()
            await asyncio.wait([self._rerouting])
        lines, self._lines = self._lines, {}
        for line in lines.values():
            await line.close()

    @contextmanager
    def listen(self, channel: str, heard: Heard) -> Iterator[None]:
        """Calls `heard` with each hint on the channel while the block runs, and once when it begins to listen."""
        self._listeners.setdefault(channel, []).append(heard)
        self._subscribe(channel)
        try:
            yield
        finally:
            self._listeners[channel].remove(heard)
            if not self._listeners[channel]:
                del self._listeners[channel]
                for line in self._lines.values():
                    line.drop(channel)

    @contextmanager
    def bell(self, channel: str) -> Iterator[Bell]:
        """A bell that every hint on the channel rings while the block runs."""
        bell = Bell()
        with self.listen(channel, bell.ring):
            yield bell

    async def tell(self, channel: str, hint: str) -> None:
        """Sends a hint to whoever listens to the channel, in any process; one that cannot be sent is a lost one."""
        with contextlib.suppress(Unavailable, ResponseError):
            await self._database.ask(("SPUBLISH", channel, hint))

    def _subscribe(self, channel: str) -> None:
        try:
            node = self._nodes.of(channel)
        except StoreUnavailable:
            return  # the rerouting comes back to it
        for name, line in self._lines.items():
            if name != node.name:
                line.drop(channel)
        if node.name not in self._lines:
            self._lines[node.name] = _Line(node, self._nodes, self._hand_out)
        self._lines[node.name].add(channel)

    def _hand_out(self, channel: str, hint: bytes) -> None:
        for heard in tuple(self._listeners.get(channel, ())):
            heard(hint)

    async def _reroute(self) -> None:
        while True:
            await asyncio.sleep(REROUTE_S)
            for channel in tuple(self._listeners):
                self._subscribe(channel)
            for name, line in tuple(self._lines.items()):
                if not line.channels:
                    del self._lines[name]
                    await line.close()


class _Line:
    """The subscriber connection to one server. It comes back by itself, and says so on every channel."""

    def __init__(self, node: Node, nodes: Nodes, hand_out: Callable[[str, bytes], None]) -> None:
        self.channels: set[str] = set()
        self._subscribed: set[str] = set()  # what the server has been asked for, over the connection that stands now
        self._changed = asyncio.Event()
        self._node = node
        self._nodes = nodes
        self._hand_out = hand_out
        self._task = asyncio.create_task(self._run(), name=f"subscriber {node.name}", context=Context())

    def add(self, channel: str) -> None:
        self.channels.add(channel)
        self._changed.set()

    def drop(self, channel: str) -> None:
        self.channels.discard(channel)
        self._changed.set()

    async def close(self) -> None:
        await _end(self._task, again_s=1.0)

    async def _run(self) -> None:
        pause_s = RECONNECT_S
        while True:
            began = asyncio.get_running_loop().time()
            connection = self._node.client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
            try:
                await connection.connect()
                await self._converse(connection)
            except (RedisError, OSError) as exc:
                logger.info("the hints of %s stop (%s)", self._node.name or "the store", type(exc).__name__)
            except Exception:
                logger.exception("the hints of %s stop", self._node.name or "the store")
            finally:
                with contextlib.suppress(RedisError, OSError):
                    await connection.disconnect(nowait=True)
            self._nodes.doubt()
            for channel in tuple(self.channels):
                self._hand_out(channel, b"")
            stood = asyncio.get_running_loop().time() - began > LONGEST_RECONNECT_S
            pause_s = RECONNECT_S if stood else min(pause_s * 2, LONGEST_RECONNECT_S)
            await asyncio.sleep(pause_s)

    async def _converse(self, connection: Any) -> None:
        self._subscribed.clear()
        self._changed.set()
        asking = asyncio.create_task(self._ask(connection), name=f"subscribe at {self._node.name}")
        try:
            await self._read(connection)
        finally:
            await _end(asking, again_s=0.1)

    async def _ask(self, connection: Any) -> None:
        """Tells the server what is listened for, whenever that changes. A failure is met by the reading side too."""
        # An AttributeError is what the driver raises when the reading side has just closed the connection.
        with contextlib.suppress(RedisError, OSError, AttributeError):
            while True:
                await self._changed.wait()
                self._changed.clear()
                more, less = self.channels - self._subscribed, self._subscribed - self.channels
                # One channel a command: in a Cluster those of one command have to share a slot.
                commands = [("SSUBSCRIBE", channel) for channel in more] + [
                    ("SUNSUBSCRIBE", channel) for channel in less
                ]
                self._subscribed = set(self.channels)
                if commands:
                    await connection.send_packed_command(connection.pack_commands(commands), check_health=False)

    async def _read(self, connection: Any) -> None:
        asked = False
        while True:
            try:
                message = await connection.read_response(timeout=PING_S, disconnect_on_error=False)
            except MovedError as moved:
                self._nodes.asked(moved)
                continue
            if message is None:
                if asked:
                    raise ConnectionError("silent")
                asked = True
                await connection.send_command("PING", check_health=False)
                continue
            asked = False
            match message:
                case [b"smessage", channel, hint]:
                    self._hand_out(channel.decode(), hint)
                case [b"ssubscribe", channel, _]:  # what came before it was missed
                    self._hand_out(channel.decode(), b"")
                case [b"sunsubscribe", channel, _] if channel and channel.decode() in self.channels:
                    self._subscribed.discard(channel.decode())
                    self._nodes.doubt()  # its slot has moved away: the rerouting finds where to


async def _end(task: "asyncio.Task[None]", again_s: float) -> None:
    """Cancels a task that calls the driver until it has ended.

    Where Python is older than 3.12 the driver's `asyncio.wait_for` loses a cancellation that comes in the same moment
    as its answer: with twenty viewers who came back, 2 stops of 108 waited for ever.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=again_s)
