"""Which server holds which key: one server, or the primaries of a Cluster.

The driver's own Cluster client is not used: at any error it closes its connections to every node, so that one node's
failure reaches the turns of all others, and it may send `ASKING` over another connection than the command it is for.
What is left to do is small: a map of slots, kept fresh by the servers' own redirections (Redis Cluster Specification,
"Redirection and resharding").
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Any, Final, Protocol

from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import AskError, MovedError, RedisError

from lianhua.errors import StoreUnavailable
from lianhua.store.client.pipeline import Pipeline

logger = logging.getLogger(__name__)

POOLED_AT_ONCE: Final = 48  # a node; each of them takes a connection of its own
WATCH_S: Final = 1.0  # between two questions to the Sentinels
DOUBT_PAUSE_S: Final = 0.2  # where a call has just failed
REFRESH_PAUSE_S: Final = 0.5  # between two looks at the map: while a node is away every call would ask for one
SLOTS: Final = 16_384  # Redis Cluster Specification, "Key distribution model"

Connect = Callable[[str, int], Redis]


class Node:
    """One server. `name` tells nodes apart.

    The appends of turns have a wire of their own, so that no large read stands in front of them. What waits at the
    server, and so would keep all others of a wire waiting, goes through `client`, in the bounds of `pooled`.
    """

    def __init__(self, name: str, client: Redis) -> None:
        self.name = name
        self.client = client
        self.appends = Pipeline(client.connection_pool)
        self.calls = Pipeline(client.connection_pool)
        self.pooled = asyncio.Semaphore(POOLED_AT_ONCE)

    async def close(self) -> None:
        """The wires for good. The client would open its connections again: so it may be repeated."""
        await self.appends.close()
        await self.calls.close()
        await self.client.aclose()


class Nodes(Protocol):
    """The servers of a store."""

    def of(self, key: str) -> Node:
        """The server of a key, as far as is known. Raises `StoreUnavailable`."""
        ...

    def all(self) -> Sequence[Node]:
        """Every server that takes writes."""
        ...

    def asked(self, redirection: AskError) -> Node:
        """The server that a redirection names; a `MovedError` is remembered."""
        ...

    def doubt(self) -> None:
        """A server did not answer: the map may be old."""
        ...

    async def is_primary(self, node: Node) -> bool:
        """Whether those who decide it say that the node is a primary, and are not about to make another one."""
        ...

    async def close(self) -> None: ...


class OneNode:
    """A standalone server."""

    def __init__(self, client: Redis) -> None:
        self._node = Node("", client)

    def of(self, key: str) -> Node:
        return self._node

    def all(self) -> Sequence[Node]:
        return [self._node]

    def asked(self, redirection: AskError) -> Node:
        raise StoreUnavailable("a node of a Cluster: set REDIS_URL to redis+cluster://…") from redirection

    def doubt(self) -> None:
        pass

    async def is_primary(self, node: Node) -> bool:
        return True  # nobody would make another one

    async def close(self) -> None:
        await self._node.close()


class SentinelNode:
    """The primary that Sentinels name. `open` it before use; `connect` makes the client of an address.

    The driver's own pool for Sentinels is not used: a connection that is busy when the primary changes stays with the
    old one. A primary that was replaced in order goes on for about ten seconds as if it were one, and all that it
    takes is dropped.
    """

    def __init__(self, sentinels: Sequence[Redis], service: str, connect: Connect) -> None:
        self._sentinels = sentinels
        self._service = service
        self._connect = connect
        self._node: Node | None = None
        self._former: list[Node] = []
        self._doubted = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Learns who is the primary, and follows it from now on. Raises `StoreUnavailable` when most Sentinels do not
        say.
        """
        if not (name := await self._named()):
            raise StoreUnavailable("the Sentinels name no primary")
        self._node = self._node_at(name)
        self._watching = asyncio.create_task(self._watch(), name="primary of the Sentinels")

    def of(self, key: str) -> Node:
        assert self._node is not None  # noqa: S101  it is open
        return self._node

    def all(self) -> Sequence[Node]:
        return [self.of("")]

    def asked(self, redirection: AskError) -> Node:
        raise StoreUnavailable("a node of a Cluster: set REDIS_URL to redis+cluster://…") from redirection

    def doubt(self) -> None:
        self._doubted.set()

    async def is_primary(self, node: Node) -> bool:
        states = await self._ask("MASTER", self._service)
        flags = [_field(state, b"flags") for state in states]
        names = {(_field(state, b"ip") + b":" + _field(state, b"port")).decode() for state in states}
        calm = not any(b"failover_in_progress" in each or b"down" in each for each in flags)
        # More than half of them: one alone may have been cut off.
        return calm and names == {node.name} and 2 * len(states) > len(self._sentinels)

    async def close(self) -> None:
        if self._watching:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        current = [self._node] if self._node else []
        for node in (*current, *self._former):
            await node.close()
        for sentinel in self._sentinels:
            await sentinel.aclose()

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_S):
                    await self._doubted.wait()
            try:
                await self._look()
            except Exception:  # whatever it is, without this task no failover would be followed any more
                logger.exception("the primary of the Sentinels is looked at again")
            await asyncio.sleep(DOUBT_PAUSE_S)
            self._doubted.clear()

    async def _look(self) -> None:
        name, old = await self._named(), self.of("")
        if name and name != old.name:
            logger.warning("the Sentinels name another primary: %s", name)
            self._node = self._node_at(name)
            self._former = [*self._former[-1:], old]
        # Also the connections in use: what is on its way to the old one is sent again to the new one. And again each
        # time, for a call of the pool that is being repeated opens one once more.
        for node in self._former:
            with contextlib.suppress(RedisError, OSError):
                await node.close()

    def _node_at(self, name: str) -> Node:
        return Node(name, self._connect(*_address(name)))

    async def _named(self) -> str | None:
        """The address that most Sentinels name; None where fewer than half answer alike."""
        answers = [b":".join(answer) for answer in await self._ask("GET-MASTER-ADDR-BY-NAME", self._service)]
        named = max(set(answers), key=answers.count, default=b"")
        return named.decode() if 2 * answers.count(named) > len(self._sentinels) else None

    async def _ask(self, *words: str) -> list[Any]:
        """The answers of the Sentinels that gave one, as they gave it."""

        async def ask(sentinel: Redis) -> Any:
            pipe = sentinel.pipeline(transaction=False)  # a command by itself the driver would read for us
            pipe.execute_command("SENTINEL", *words)
            return (await pipe.execute(raise_on_error=False))[0]

        answers = await asyncio.gather(*map(ask, self._sentinels), return_exceptions=True)
        return [answer for answer in answers if isinstance(answer, list)]


class ClusterNodes:
    """The primaries of a Cluster. `open` it before use; `connect` makes the client of an address."""

    def __init__(self, seeds: Sequence[tuple[str, int]], connect: Connect) -> None:
        self._seeds = list(seeds)
        self._connect = connect
        self._nodes: dict[str, Node] = {}
        self._slots: list[str | None] = [None] * SLOTS
        self._refreshing: asyncio.Task[None] | None = None
        self._closed = False

    async def open(self) -> None:
        """Learns the map. Raises `StoreUnavailable` when no node tells it."""
        addresses = list({*self._seeds, *map(_address, self._nodes)})
        random.shuffle(addresses)  # not every process asks the same node, nor the same stuck one again
        for host, port in addresses:
            try:
                # A client of its own: a known node that is stuck would keep its pool's calls waiting.
                async with self._connect(host, port) as client:
                    self._learn(await client.execute_command("CLUSTER", "SLOTS"), host)  # type: ignore[no-untyped-call]
                    return
            except (RedisError, OSError, StoreUnavailable) as exc:
                logger.info("%s:%d does not tell the map of the Cluster (%s)", host, port, type(exc).__name__)
        raise StoreUnavailable("no node of the Cluster tells its map")

    def of(self, key: str) -> Node:
        name = self._slots[key_slot(key.encode())]
        if name is None:
            self.doubt()
            raise StoreUnavailable("no node serves this slot")
        return self._nodes[name]

    def all(self) -> Sequence[Node]:
        return [self._nodes[name] for name in dict.fromkeys(self._slots) if name is not None]

    def asked(self, redirection: AskError) -> Node:
        node = self._node(redirection.host, redirection.port)
        if isinstance(redirection, MovedError):
            self._slots[redirection.slot_id] = node.name
            self.doubt()  # where one slot has moved others may have
        return node

    def doubt(self) -> None:
        if self._refreshing is None and not self._closed:
            self._refreshing = asyncio.create_task(self._refresh(), name="map of the Cluster", context=Context())

    async def is_primary(self, node: Node) -> bool:
        await self.open()  # as another node sees it, nearly always
        return node in self.all()

    async def close(self) -> None:
        self._closed = True
        if self._refreshing:
            self._refreshing.cancel()
            await asyncio.wait([self._refreshing])
        for node in self._nodes.values():
            await node.close()

    async def _refresh(self) -> None:
        try:
            await self.open()
        except StoreUnavailable as exc:
            logger.info("%s", exc)
        except Exception:
            logger.exception("the map of the Cluster could not be read")
        finally:
            # Whatever fails meanwhile is met by the look that comes after this one.
            await asyncio.sleep(REFRESH_PAUSE_S)
            self._refreshing = None

    def _learn(self, answer: Any, answered_by: str) -> None:
        """Takes in an answer to CLUSTER SLOTS: first slot, last slot, then the primary as host, port, id."""
        slots: list[str | None] = [None] * SLOTS
        for first, last, (host, port, *_), *_replicas in answer:
            name = self._node(host.decode() if host else answered_by, int(port)).name
            slots[first : last + 1] = [name] * (last + 1 - first)
        if not any(slots):
            raise StoreUnavailable("the Cluster has no slots")
        self._slots = slots

    def _node(self, host: str, port: int) -> Node:
        name = f"{host}:{port}"
        if name not in self._nodes:
            self._nodes[name] = Node(name, self._connect(host, port))
        return self._nodes[name]


def _field(state: Sequence[bytes], name: bytes) -> bytes:
    """A field of an answer that lists names and values by turns."""
    return state[state.index(name) + 1]


def _address(name: str) -> tuple[str, int]:
    host, _, port = name.rpartition(":")
    return host, int(port)
