"""A cluster of three primaries with one replica each, formed by our own commands.

async with Cluster(tmp_path) as cluster:
    node = await cluster.primary_of("{conversation}:messages")
    await cluster.kill(node)
    await cluster.wait_for_failover_of(node)
    await cluster.revive(node)
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final, Self

from redis.crc import REDIS_CLUSTER_HASH_SLOTS as SLOTS
from redis.crc import key_slot
from redis.exceptions import RedisError

from tests.support.servers.asking import ask, started, until
from tests.support.servers.program import Flavour
from tests.support.servers.redis_server import HOST, RedisServer

PRIMARIES: Final = 3
NODE_TIMEOUT_MS: Final = 2000
MIGRATE_TIMEOUT_MS: Final = 5000

NODE_CONFIG: Final = {
    "cluster-enabled": "yes",
    "cluster-config-file": "nodes.conf",
    "cluster-node-timeout": str(NODE_TIMEOUT_MS),
    "appendonly": "yes",
    "repl-diskless-sync-delay": "0",  # without it replicas would wait 5 s for company
}


@dataclass(frozen=True)
class Member:
    """One line of CLUSTER NODES: how one node sees another. `slots` are inclusive ranges."""

    id: str
    port: int
    flags: frozenset[str]
    slots: tuple[tuple[int, int], ...]

    @property
    def is_settled(self) -> bool:
        return not self.flags & {"fail", "fail?", "handshake", "noaddr"}

    def owns(self, slot: int) -> bool:
        return any(first <= slot <= last for first, last in self.slots)


class Cluster:
    """`nodes` are its processes. `config` goes to all of them. Leaving the block kills them.

    `kills`, `slots_moved` and `keys_moved` count what was done.
    """

    def __init__(self, folder: Path, *, flavour: Flavour = "valkey", config: Mapping[str, str] | None = None) -> None:
        settings = {**NODE_CONFIG, **(config or {})}
        self.nodes = [
            RedisServer(folder / f"node-{number}", flavour=flavour, config=settings) for number in range(2 * PRIMARIES)
        ]
        self.kills = 0
        self.slots_moved = 0
        self.keys_moved = 0
        self._slot_of_killed: dict[RedisServer, int] = {}

    async def __aenter__(self) -> Self:
        try:
            for node in self.nodes:
                node.start()
            await self._form()
        except BaseException:
            self._end_all()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._end_all()

    @property
    def url(self) -> str:
        return f"redis+cluster://{','.join(node.address for node in self.nodes[:PRIMARIES])}"

    @property
    def failovers(self) -> int:
        """How many replicas have won an election, the unplanned times included."""
        return sum(node.log.count("Failover election won") for node in self.nodes)

    async def epoch(self) -> int:
        """The cluster's epoch, the highest that a running node knows: every failover has a higher one."""
        return max([int((await _state(node))["cluster_current_epoch"]) for node in self._running()])

    def slot_of(self, key: str) -> int:
        return key_slot(key.encode())

    async def primary_of(self, key: str) -> RedisServer:
        """The node that owns the key's slot, as the first node that answers sees it; it may be away."""
        return await self.owner_of(self.slot_of(key))

    async def owner_of(self, slot: int) -> RedisServer:
        for node in self._running():
            try:
                owner = next((member for member in await _members(node) if member.owns(slot)), None)
            except (RedisError, OSError):
                continue  # frozen, or on its way up
            if owner:
                return self._node(owner.port)
        raise ConnectionError(f"no node knows who owns slot {slot}")

    async def primaries(self) -> list[RedisServer]:
        """The nodes that own slots and are not known to be down."""
        members = await _members(self._running()[0])
        return [self._node(member.port) for member in members if member.slots and member.is_settled]

    async def kill(self, node: RedisServer) -> None:
        """kill -9."""
        (itself,) = [member for member in await _members(node) if "myself" in member.flags]
        self._slot_of_killed.pop(node, None)
        if itself.slots:
            self._slot_of_killed[node] = itself.slots[0][0]
        node.kill()
        self.kills += 1

    async def wait_for_failover_of(self, node: RedisServer) -> RedisServer:
        """The node that owns what the killed primary owned, once every running node sees it so and serves again."""
        slot = self._slot_of_killed[node]

        async def found() -> RedisServer | None:
            owners = {owner.port for owner in [await _owner_seen_by(one, slot) for one in self._running()] if owner}
            if len(owners) != 1 or node.port in owners or not await self._is_serving():
                return None
            return self._node(owners.pop())

        return await until(found, f"a failover of {node}")

    async def revive(self, node: RedisServer) -> None:
        """Starts what was killed, and waits until it has joined, as a replica in sync or as a primary."""
        await started(node)
        await self.wait_in_sync()

    async def wait_in_sync(self) -> None:
        """Until the running nodes agree on who owns what, see each other, serve, and every replica follows live."""
        await until(self._is_in_sync, "a cluster in sync")

    async def move_slot(self, slot: int, to_node: RedisServer, *, batch: int = 10, pause_s: float = 0.0) -> int:
        """Moves a slot with the keys that live in it, `batch` keys at a time; how many keys went over.

        While it lasts both nodes answer with ASK and TRYAGAIN; `pause_s` between the batches makes it last.
        """
        source = await self.owner_of(slot)
        if source is to_node:
            raise ValueError(f"slot {slot} is there already")
        to_id = await ask(to_node, "CLUSTER", "MYID")
        await ask(to_node, "CLUSTER", "SETSLOT", slot, "IMPORTING", await ask(source, "CLUSTER", "MYID"))
        await ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", to_id)
        moved = 0
        while keys := await ask(source, "CLUSTER", "GETKEYSINSLOT", slot, batch):
            await ask(source, "MIGRATE", HOST, to_node.port, "", 0, MIGRATE_TIMEOUT_MS, "KEYS", *keys)
            moved += len(keys)
            await asyncio.sleep(pause_s)
        # The new owner first: were it the other way round and it died now, nobody would own the slot.
        for node in (to_node, source, *await self.primaries()):
            await ask(node, "CLUSTER", "SETSLOT", slot, "NODE", to_id)

        async def known_to_all() -> bool:
            owners = [await _owner_seen_by(node, slot) for node in self._running()]
            return all(owner is not None and owner.port == to_node.port for owner in owners)

        await until(known_to_all, f"every node knows where slot {slot} is")
        self.slots_moved += 1
        self.keys_moved += moved
        return moved

    async def _form(self) -> None:
        width = SLOTS / PRIMARIES
        for number, node in enumerate(self.nodes):
            await ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)  # so that none collide; only before they meet
            if number < PRIMARIES:
                first, last = round(number * width), round((number + 1) * width) - 1
                await ask(node, "CLUSTER", "ADDSLOTSRANGE", first, last)
        for one, other in combinations(self.nodes, 2):
            await ask(one, "CLUSTER", "MEET", HOST, other.port)
        for primary, replica in zip(self.nodes[:PRIMARIES], self.nodes[PRIMARIES:], strict=True):
            await self._let_follow(replica, primary)
        await self.wait_in_sync()

    async def _let_follow(self, replica: RedisServer, primary: RedisServer) -> None:
        primary_id = await ask(primary, "CLUSTER", "MYID")

        async def follows() -> bool:
            return bool(await ask(replica, "CLUSTER", "REPLICATE", primary_id))  # an error until they have met

        await until(follows, f"{replica} follows {primary}")

    def _running(self) -> list[RedisServer]:
        return [node for node in self.nodes if node.is_running]

    async def _is_in_sync(self) -> bool:
        running = self._running()
        maps, following, followed = set(), 0, 0
        for node in running:
            members = await _members(node)
            if not {member.port for member in members if member.is_settled} >= {one.port for one in running}:
                return False
            maps.add(frozenset((member.port, member.slots) for member in members if member.slots))
            info = await ask(node, "INFO", "replication")
            if info["role"] == "slave":
                following += 1
                if info["master_link_status"] != "up":  # its primary calls it online while it still loads
                    return False
            followed += [info[f"slave{i}"]["state"] for i in range(info["connected_slaves"])].count("online")
        return len(maps) == 1 and following == followed and await self._is_serving()

    async def _is_serving(self) -> bool:
        return all([(await _state(node))["cluster_state"] == "ok" for node in self._running()])

    def _node(self, port: int) -> RedisServer:
        return next(node for node in self.nodes if node.port == port)

    def _end_all(self) -> None:
        for node in self.nodes:
            node.kill()


async def _state(node: RedisServer) -> dict[str, str]:
    lines = str(await ask(node, "CLUSTER", "INFO")).split()
    return dict(line.split(":", 1) for line in lines)


async def _members(node: RedisServer) -> list[Member]:
    return [_member(line) for line in str(await ask(node, "CLUSTER", "NODES")).splitlines()]


async def _owner_seen_by(node: RedisServer, slot: int) -> Member | None:
    return next((member for member in await _members(node) if member.owns(slot)), None)


def _member(line: str) -> Member:
    """`<id> <ip:port@bus-port,…> <flags> <primary> <ping> <pong> <epoch> <link> <slots>…`, see CLUSTER NODES."""
    node_id, address, flags, *_ = words = line.split()
    port = int(address.partition("@")[0].rpartition(":")[2])
    settled = [word for word in words[8:] if not word.startswith("[")]  # the others are on their way
    ranges = [(int(first), int(last or first)) for first, _, last in (word.partition("-") for word in settled)]
    return Member(node_id, port, frozenset(flags.split(",")), tuple(ranges))
