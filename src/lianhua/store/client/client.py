"""The one way to the servers of the store: scripts and commands, each where its key lives, many in one round trip."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Sequence
from functools import partial
from typing import Any, Final

from redis.exceptions import AskError, MovedError, NoScriptError, OutOfMemoryError, RedisError, TryAgainError

from lianhua.errors import StoreUnavailable
from lianhua.metrics import STORE_ERRORS
from lianhua.store.client.keys import PREFIX
from lianhua.store.client.scripts import Argument, Request, Script, is_outage, translated
from lianhua.store.client.topology import ClusterNodes, Node, Nodes

logger = logging.getLogger(__name__)

REDIRECTIONS: Final = 8  # a slot on the move answers "ask there" and "try again" until it has arrived
TRY_AGAIN_S: Final = 0.05
DURABLE_S: Final = 1.0  # a replica that has not acknowledged by then is asked for again by the caller's next try
BARRIER_TTL_S: Final = 60
BARRIER_TRIES: Final = 10_000  # a node that serves one slot in a thousand is still found

Keyed = tuple[Sequence[str], Sequence[Argument]]


class Durability:
    """What a write waits for, in `LIANHUA_DURABILITY=strict`: the disk, and the replicas, of which one is enough.

    `writes_through` names servers that cannot be asked to wait for their disk (WAITAOF: Redis 7.2, Valkey 8) and were
    found to write through by themselves.
    """

    def __init__(self, nodes: Nodes, writes_through: Collection[str] = ()) -> None:
        self._nodes = nodes
        self._writes_through = writes_through
        self._replicas: dict[str, int] = {}  # of each node, as far as that is believed
        # Fewer where one is connected and silent: it would cost a second each time.
        self._waited_for: dict[str, int] = {}
        self._barriers: dict[str, tuple[int, str]] = {}
        self._asking: dict[str, asyncio.Task[bool]] = {}

    def commands(self, node: Node) -> list[tuple[Argument, ...]]:
        """What follows the writes on their connection.

        A server waits for what this connection wrote last. A repeated script may have written nothing, so the wait
        comes after a write of its own: by the order of replication everything before it is then safe too.
        """
        wait_ms = int(DURABLE_S * 1000)
        disk: tuple[Argument, ...] = ("PING",) if node.name in self._writes_through else ("WAITAOF", 1, 0, wait_ms)
        wait = ("WAIT", self._waited_for.get(node.name, 0), wait_ms)
        return [("SET", self._barrier(node), 1, "EX", BARRIER_TTL_S), disk, wait, ("ROLE",)]

    def met(self, node: Node, answers: Sequence[Any]) -> bool:
        """Whether the answers to `commands` say that the writes are safe."""
        if isinstance(answers[0], AskError | TryAgainError):
            number, _ = self._barriers.pop(node.name)  # its slot is on the move: another one next time
            self._barriers[node.name] = self._next_barrier(node, number + 1)
        if any(isinstance(answer, Exception) for answer in answers):
            return False
        _, disk, acknowledged, role = answers
        if role[0] != b"master" or (isinstance(disk, list) and int(disk[0]) < 1):
            return False
        return self._replicated(node, int(acknowledged), len(role[2]))

    def _replicated(self, node: Node, acknowledged: int, connected: int) -> bool:
        known = self._replicas.get(node.name)
        if known is None or connected < known:
            # One may have died. Or it has just been made the primary, and what this one still takes will be dropped.
            self._ask_whether_primary(node, connected)
            return False
        if connected > known:
            self._replicas[node.name] = self._waited_for[node.name] = connected
            return connected == 0 or acknowledged >= 1
        if connected and acknowledged:
            self._waited_for[node.name] = acknowledged
        return acknowledged >= 1 or connected == 0

    def _ask_whether_primary(self, node: Node, connected: int) -> None:
        async def ask() -> bool:
            primary = await self._nodes.is_primary(node)
            if primary:
                self._replicas[node.name] = self._waited_for[node.name] = connected
            return primary

        if node.name not in self._asking:
            task = asyncio.create_task(ask(), name=f"is it still the primary {node.name}")
            self._asking[node.name] = task
            task.add_done_callback(lambda task: self._asked(node.name, task))

    async def learned(self, node: Node) -> bool:
        """Waits for an answer to whether the node is the primary; whether there was one, and the write may be tried
        again.
        """
        task = self._asking.get(node.name)
        if task is None:
            return False
        await asyncio.wait([task], timeout=DURABLE_S)
        return task.done() and not task.cancelled() and not task.exception() and task.result()

    def _asked(self, name: str, task: "asyncio.Task[bool]") -> None:
        del self._asking[name]
        if not task.cancelled() and (error := task.exception()):
            logger.info("nobody says whether the store is still the primary (%s)", type(error).__name__)

    def _barrier(self, node: Node) -> str:
        found = self._barriers.get(node.name)
        if found is None or self._nodes.of(found[1]).name != node.name:
            found = self._barriers[node.name] = self._next_barrier(node, 0)
        return found[1]

    def _next_barrier(self, node: Node, number: int) -> tuple[int, str]:
        """A key of this node's own: one in the conversation's slot would move with it, and before it."""
        for candidate in range(number, number + BARRIER_TRIES):
            key = f"{PREFIX}:{{barrier {candidate}}}"
            if self._nodes.of(key).name == node.name:
                return candidate, key
        raise StoreUnavailable("the node serves hardly any slot")


class StoreClient:
    """Raises `StoreUnavailable` and `Overloaded`; an error of a script's own is a bug and stays what it is."""

    def __init__(self, nodes: Nodes, durability: Durability | None = None) -> None:
        self.nodes = nodes
        self._durability = durability

    @property
    def slots_mix(self) -> bool:
        """Whether one call may have the keys of many conversations: everywhere but in a Cluster."""
        return not isinstance(self.nodes, ClusterNodes)

    def lane(self, key: str) -> str:
        """Which server holds the key: what is for one of them need not wait for what is for another."""
        try:
            return self.nodes.of(key).name
        except StoreUnavailable:
            return ""

    async def run(
        self, script: Script, keys: Sequence[str], args: Sequence[Argument], *, durable: bool = False
    ) -> list[Any]:
        """The script's answer. With `durable` it comes when the write is as safe as the settings ask."""
        (answer,) = await self._answers([script.request(keys, args)], durable=durable, urgent=False)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    async def run_each(self, script: Script, calls: Sequence[Keyed], *, durable: bool = False) -> list[Any]:
        """Many calls in one round trip, before any that wait: the answer of each in order, or the exception it met."""
        requests = [script.request(keys, args) for keys, args in calls]
        return await self._answers(requests, durable=durable, urgent=True)

    async def ask(self, *requests: tuple[Argument, ...]) -> list[Any]:
        """The answers to plain commands, whose second word is their key."""
        answers = await self._answers(
            [Request(str(words[1]), words) for words in requests], durable=False, urgent=False
        )
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    async def names(self, count: int) -> AsyncIterator[list[str]]:
        """The names of all keys of ours, about `count` at a time. Those that are there all the while come, some more
        than once.
        """
        for node in self.nodes.all():
            cursor = 0
            while True:
                try:
                    cursor, names = await node.client.scan(cursor, match=f"{PREFIX}:*", count=count)
                except (RedisError, OSError) as exc:
                    raise translated(exc) from exc
                yield [name if isinstance(name, str) else name.decode() for name in names]
                if not cursor:
                    break

    async def _answers(self, requests: Sequence[Request], *, durable: bool, urgent: bool) -> list[Any]:
        if node := self._only_node(requests):  # nearly always, and in half the time
            answers = await self._exchange(node, requests, durable, urgent)
            if not any(isinstance(answer, Exception) for answer in answers):
                return answers
            left = await self._again(dict(enumerate(requests)), answers, durable)
        else:
            answers, left = [None] * len(requests), dict(enumerate(requests))
        for _ in range(REDIRECTIONS):
            if not left:
                break
            groups = self._by_node(left, answers)
            sent = [[left[place] for place in places] for _, places in groups]
            came = [self._exchange(node, some, durable, urgent) for (node, _), some in zip(groups, sent, strict=True)]
            for (_, places), some in zip(groups, await asyncio.gather(*came), strict=True):
                for place, answer in zip(places, some, strict=True):
                    answers[place] = answer
            left = await self._again(left, answers, durable)
        return [translated(answer) if isinstance(answer, Exception) else answer for answer in answers]

    def _only_node(self, requests: Sequence[Request]) -> Node | None:
        """The node that all of them are for, where there is one and it is known."""
        of = self.nodes.of
        try:
            nodes = {of(request.key) for request in requests}
        except StoreUnavailable:
            return None
        return nodes.pop() if len(nodes) == 1 else None

    def _by_node(self, left: dict[int, Request], answers: list[Any]) -> list[tuple[Node, list[int]]]:
        places: dict[str, tuple[Node, list[int]]] = {}
        for place, request in left.items():
            try:
                node = self.nodes.of(request.key)
            except StoreUnavailable as exc:
                answers[place] = exc
            else:
                places.setdefault(node.name, (node, []))[1].append(place)
        return list(places.values())

    async def _exchange(self, node: Node, requests: Sequence[Request], durable: bool, urgent: bool) -> list[Any]:
        """The answers of one node, or for each the reason why it gave none."""
        try:
            if durable and self._durability:
                answers = await self._send_durably(node, requests, self._durability, urgent)
            else:
                # The wire of the appends is blocked while durable ones wait.
                pipeline = node.appends if urgent and not self._durability else node.calls
                answers = await pipeline.call([request.words for request in requests])
        except (RedisError, OSError, StoreUnavailable) as exc:
            self.nodes.doubt()
            STORE_ERRORS.add("unavailable")
            return [exc] * len(requests)
        if any(isinstance(answer, Exception) and is_outage(answer) for answer in answers):
            self.nodes.doubt()
            STORE_ERRORS.add("full" if any(isinstance(each, OutOfMemoryError) for each in answers) else "refused")
        return answers

    async def _send_durably(
        self, node: Node, requests: Sequence[Request], durability: Durability, urgent: bool
    ) -> list[Any]:
        words = [request.words for request in requests]
        send = node.appends.call if urgent else partial(_pooled, node)
        while True:
            came = await send([*words, *durability.commands(node)])
            answers = came[: len(words)]
            if durability.met(node, came[len(words) :]):
                return answers
            if not await durability.learned(node):
                # Written, but perhaps not for good: whoever asked sends it again until it is.
                return [answer if _redirects(answer) else StoreUnavailable("not yet durable") for answer in answers]

    async def _again(self, left: dict[int, Request], answers: list[Any], durable: bool) -> dict[int, Request]:
        """What has to be sent once more, to whom it belongs by now; what can be settled at once gets its answer."""
        again: dict[int, Request] = {}
        loaded: set[tuple[str, str | None]] = set()
        for place, request in left.items():
            match answers[place]:
                case NoScriptError():  # a restarted server, or one that never saw it: the first of many tells it
                    name = (self.lane(request.key), request.source)
                    again[place] = request if name in loaded else request.with_source()
                    loaded.add(name)
                case MovedError() as moved:
                    self.nodes.asked(moved)
                    again[place] = request
                case AskError() as ask:
                    answers[place] = await self._ask_there(self.nodes.asked(ask), request, durable)
                    if isinstance(answers[place], TryAgainError | AskError):
                        again[place] = request
                case TryAgainError():
                    again[place] = request
        if any(isinstance(answers[place], TryAgainError) for place in again):
            await asyncio.sleep(TRY_AGAIN_S)
        return again

    async def _ask_there(self, node: Node, request: Request, durable: bool) -> Any:
        """The answer of the node to which a slot is moving. ASKING counts for the next command of its connection."""
        barrier = self._durability.commands(node) if durable and self._durability else []
        if request.source is not None and request.words[0] == "EVALSHA":
            request = request.with_source()
        try:
            _, answer, *waited = await _pooled(node, [("ASKING",), request.words, *barrier])
        except (RedisError, OSError) as exc:
            return exc
        if barrier and self._durability and not self._durability.met(node, waited):
            return StoreUnavailable("not yet durable")
        return answer


async def _pooled(node: Node, commands: Sequence[tuple[Argument, ...]]) -> list[Any]:
    """The answers over a connection of their own."""
    async with node.pooled:
        pipe = node.client.pipeline(transaction=False)
        for words in commands:
            pipe.execute_command(*words)
        return await pipe.execute(raise_on_error=False)


def _redirects(answer: object) -> bool:
    return isinstance(answer, NoScriptError | AskError | TryAgainError)
