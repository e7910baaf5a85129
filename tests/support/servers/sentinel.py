"""A primary, two replicas and three sentinels that look after them.

async with SentinelSet(tmp_path) as sentinels:
    killed = await sentinels.kill_primary()
    await sentinels.wait_for_other_primary(killed)
    await sentinels.revive()
    await sentinels.wait_in_sync()
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from redis.exceptions import RedisError, ResponseError

from tests.support.servers.asking import ask, started, until
from tests.support.servers.program import Flavour
from tests.support.servers.redis_server import HOST, RedisServer

NAME: Final = "lianhua"  # the group's name, as the address has it
NODES: Final = 3
SENTINELS: Final = 3
MAJORITY: Final = 2
# A sentinel takes up to a second to connect to the primary it has just learned of: with 1000 it may call that one down
# at once and fail over a second time.
DOWN_AFTER_MS: Final = 2000
FAILOVER_TIMEOUT_MS: Final = 5000  # a try that failed is repeated after twice that

# An append-only file, as whoever restarts a primary needs; without the delay replicas would wait 5 s for company.
NODE_CONFIG: Final = {"appendonly": "yes", "repl-diskless-sync-delay": "0"}


class SentinelSet:
    """`nodes` and `sentinels` are its processes. `config` goes to the nodes. Leaving the block kills all of them."""

    def __init__(self, folder: Path, *, flavour: Flavour = "valkey", config: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._flavour: Flavour = flavour
        self._config = {**NODE_CONFIG, **(config or {})}
        self.nodes: list[RedisServer] = []
        self.sentinels: list[RedisServer] = []

    async def __aenter__(self) -> Self:
        try:
            self._start_all()
            await self.wait_in_sync()
        except BaseException:
            self._end_all()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._end_all()

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(sentinel.address for sentinel in self.sentinels)}/{NAME}"

    @property
    def failovers(self) -> int:
        """How often the sentinels have switched to another primary, the unplanned times included."""
        # Each writes one line a switch; one that was away may have missed one.
        return max(sentinel.log.count(f"+switch-master {NAME} ") for sentinel in self.sentinels)

    async def epoch(self) -> int:
        """The configuration epoch: every failover has a higher one."""
        return int((await self._sentinels_answer("SENTINEL", "MASTER", NAME))["config-epoch"])

    async def primary(self) -> RedisServer:
        """The node that a sentinel names right now; it may be away."""
        return self._node(await self._sentinels_answer("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME))

    async def kill_primary(self) -> RedisServer:
        """kill -9; the node that was killed."""
        primary = await self.primary()
        primary.kill()
        return primary

    async def failover(self) -> RedisServer:
        """Asks for a planned failover; the node that is primary no more once `wait_for_other_primary` returns.

        That node takes itself for a primary some ten seconds longer, until the sentinels correct it (`wait_in_sync`).
        """
        primary = await self.primary()

        async def agreed() -> bool:
            try:
                return bool(await self._sentinels_answer("SENTINEL", "FAILOVER", NAME))
            except ResponseError as exc:
                if str(exc).startswith(("NOGOODSLAVE", "INPROG")):
                    return False
                raise AssertionError(f"a planned failover is refused: {exc}") from exc

        await until(agreed, "the sentinels agree to a failover")
        return primary

    async def wait_for_other_primary(self, than: RedisServer) -> RedisServer:
        """The new primary, once a majority of the sentinels names it and it says so itself."""

        async def found() -> RedisServer | None:
            named: Counter[str] = Counter()
            for sentinel in self.sentinels:
                named[await _named_by(sentinel)] += 1
            address, times = named.most_common(1)[0]
            if times < MAJORITY or address in ("", than.address):
                return None
            node = next(node for node in self.nodes if node.address == address)
            return node if (await ask(node, "ROLE"))[0] == "master" else None

        return await until(found, f"another primary than {than}")

    async def revive(self, *, as_it_was: bool = False) -> None:
        """Starts what was killed: sentinels, and nodes as replicas of the primary of now.

        `as_it_was` starts nodes with no word about that, as an init system would: a former primary takes itself for
        one until the sentinels tell it otherwise, about ten seconds later.
        """
        for sentinel in self.sentinels:
            if not sentinel.is_running:
                await started(sentinel)
        primary = await self.primary()
        for node in self.nodes:
            if not node.is_running:
                follows = {} if as_it_was or node is primary else {"replicaof": f"{HOST} {primary.port}"}
                await started(node, **follows)

    async def wait_in_sync(self) -> None:
        """Until every running node but one is a replica that has all that the primary has now, and every running
        sentinel sees all of them and its colleagues.
        """
        nodes = sum(node.is_running for node in self.nodes)
        sentinels = [sentinel for sentinel in self.sentinels if sentinel.is_running]
        wanted: dict[RedisServer, int] = {}  # the offset to reach

        async def level() -> bool:
            primary = await self.primary()
            info = await ask(primary, "INFO", "replication")
            offset = wanted.setdefault(primary, info["master_repl_offset"])
            replicas = [info[f"slave{i}"] for i in range(info["connected_slaves"])]
            return len([r for r in replicas if r["state"] == "online" and r["offset"] >= offset]) == nodes - 1

        async def seen() -> bool:
            for sentinel in sentinels:
                replicas = await ask(sentinel, "SENTINEL", "REPLICAS", NAME)
                others = await ask(sentinel, "SENTINEL", "SENTINELS", NAME)
                if [_how_many_up(replicas), _how_many_up(others)] != [nodes - 1, len(sentinels) - 1]:
                    return False
            return True

        await until(level, "replicas in sync")
        await until(seen, "sentinels that see every node")

    def _start_all(self) -> None:
        primary = self._new_node()
        for _ in range(NODES - 1):
            self._new_node(replicaof=f"{HOST} {primary.port}")
        watching = {
            "sentinel monitor": f"{NAME} {HOST} {primary.port} {MAJORITY}",
            "sentinel down-after-milliseconds": f"{NAME} {DOWN_AFTER_MS}",
            "sentinel failover-timeout": f"{NAME} {FAILOVER_TIMEOUT_MS}",
            "sentinel parallel-syncs": f"{NAME} {NODES}",
        }
        for number in range(SENTINELS):
            folder = self._folder / f"sentinel-{number}"
            sentinel = RedisServer(folder, flavour=self._flavour, config=watching, sentinel=True)
            self.sentinels.append(sentinel)
            sentinel.start()

    def _new_node(self, **directives: str) -> RedisServer:
        folder = self._folder / f"node-{len(self.nodes)}"
        node = RedisServer(folder, flavour=self._flavour, config={**self._config, **directives})
        self.nodes.append(node)
        node.start()
        return node

    def _end_all(self) -> None:
        for process in (*self.sentinels, *self.nodes):
            process.kill()

    def _node(self, address: list[str]) -> RedisServer:
        return next(node for node in self.nodes if node.address == ":".join(address))

    async def _sentinels_answer(self, *words: str) -> Any:
        """What the first sentinel says that answers."""
        failed: Exception | None = None
        for sentinel in self.sentinels:
            try:
                return await ask(sentinel, *words)
            except ResponseError:
                raise
            except (RedisError, OSError) as exc:
                failed = exc
        raise ConnectionError("no sentinel answers") from failed


def _how_many_up(seen: list[dict[str, str]]) -> int:
    away = {"s_down", "o_down", "disconnected"}  # `master_down` is what a colleague says of the primary, and stays on
    return len([one for one in seen if not away & set(one["flags"].split(","))])


async def _named_by(sentinel: RedisServer) -> str:
    """The address of the primary, or nothing where it does not answer."""
    try:
        return ":".join(await ask(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME))
    except (RedisError, OSError):
        return ""
