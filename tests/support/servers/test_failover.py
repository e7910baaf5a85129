"""Sentinels and a cluster for the tests are what they promise: they fail over, and they count it."""

import asyncio
from typing import Final

import pytest
from redis.asyncio import RedisCluster
from redis.exceptions import AskError, MovedError, TryAgainError

from tests.support.servers.asking import ask
from tests.support.servers.cluster import Cluster
from tests.support.servers.program import Flavour
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sentinel import SentinelSet
from tests.support.side_by_side import Begun, Stage, variants

WAIT_S = 30

FLAVOURS: Final[tuple[Flavour, ...]] = ("valkey", "redis")
both_flavours = pytest.mark.parametrize("flavour", FLAVOURS)


def are_gone(processes: list[RedisServer]) -> bool:
    return not any(process.is_running for process in processes)


async def sentinels_replace_a_primary(stage: Stage, flavour: Flavour) -> None:
    async with SentinelSet(stage.folder, flavour=flavour) as sentinels:
        first = await sentinels.primary()
        async with first.client() as client:
            await client.set("kept", "yes")
            assert await client.wait(2, WAIT_S * 1000) == 2
        epoch = await sentinels.epoch()
        assert await sentinels.kill_primary() is first
        assert not first.is_running

        second = await sentinels.wait_for_other_primary(first)
        assert second is await sentinels.primary()
        assert sentinels.failovers == 1
        assert await sentinels.epoch() > epoch
        await sentinels.revive()
        await sentinels.wait_in_sync()
        assert [node.is_running for node in sentinels.nodes] == [True] * 3
        assert (await ask(first, "ROLE"))[:3] == ["slave", "127.0.0.1", second.port]
        assert await ask(first, "GET", "kept") == "yes"
    assert are_gone([*sentinels.nodes, *sentinels.sentinels])
    assert sentinels.url == "redis+sentinel://{},{},{}/lianhua".format(*(one.address for one in sentinels.sentinels))


async def planned_failover(stage: Stage) -> None:
    async with SentinelSet(stage.folder) as sentinels:
        former = await sentinels.failover()
        second = await sentinels.wait_for_other_primary(former)
        assert sentinels.failovers == 1
        former.kill()
        await sentinels.revive(as_it_was=True)
        assert (await ask(former, "ROLE"))[0] == "master"
        await sentinels.wait_in_sync()
        assert (await ask(former, "ROLE"))[0] == "slave"
        assert await sentinels.primary() is second


async def cluster_replaces_a_primary(stage: Stage, flavour: Flavour) -> None:
    async with Cluster(stage.folder, flavour=flavour) as cluster:
        assert len(await cluster.primaries()) == 3
        first = await cluster.primary_of("{kept}:1")
        async with first.client() as client:
            await client.set("{kept}:1", "yes")
            assert await client.wait(1, WAIT_S * 1000) == 1
        epoch = await cluster.epoch()
        await cluster.kill(first)
        assert not first.is_running

        second = await cluster.wait_for_failover_of(first)
        assert second is await cluster.primary_of("{kept}:2")
        assert (cluster.kills, cluster.failovers) == (1, 1)
        assert await cluster.epoch() > epoch
        await cluster.revive(first)
        async with RedisCluster(host="127.0.0.1", port=first.port) as driver:
            assert await driver.get("{kept}:1") == b"yes"
        assert (await ask(first, "ROLE"))[:4] == ["slave", "127.0.0.1", second.port, "connected"]
        assert {node.is_running for node in cluster.nodes} == {True}
    assert are_gone(cluster.nodes)
    assert cluster.url == "redis+cluster://{},{},{}".format(*(node.address for node in cluster.nodes[:3]))


async def moving_slot(stage: Stage, flavour: Flavour) -> None:
    async with Cluster(stage.folder, flavour=flavour) as cluster:
        slot, keys = cluster.slot_of("{k}"), [f"{{k}}:{number}" for number in range(30)]
        source = await cluster.primary_of(keys[0])
        target = next(node for node in await cluster.primaries() if node is not source)
        async with source.client() as client:
            await client.mset(dict.fromkeys(keys, "value"))
        moving = asyncio.create_task(cluster.move_slot(slot, target, batch=5, pause_s=0.1))
        answers = set()
        while not moving.done():
            try:
                await ask(source, "MGET", *keys)
            except (AskError, TryAgainError, MovedError) as answer:
                answers.add(type(answer))
        assert await moving == 30
        assert TryAgainError in answers
        assert await cluster.primary_of(keys[0]) is target
        assert await ask(target, "MGET", *keys) == ["value"] * 30
        assert await ask(source, "CLUSTER", "COUNTKEYSINSLOT", slot) == 0
        with pytest.raises(MovedError):
            await ask(source, "GET", keys[0])
        assert (cluster.slots_moved, cluster.keys_moved, cluster.failovers) == (1, 30, 0)


SENTINELS_REPLACE_A_PRIMARY: Final = variants(sentinels_replace_a_primary, *FLAVOURS)
CLUSTER_REPLACES_A_PRIMARY: Final = variants(cluster_replaces_a_primary, *FLAVOURS)
MOVING_SLOT: Final = variants(moving_slot, *FLAVOURS)
SCENARIOS: Final = [
    *SENTINELS_REPLACE_A_PRIMARY.values(),
    planned_failover,
    *CLUSTER_REPLACES_A_PRIMARY.values(),
    *MOVING_SLOT.values(),
]


@both_flavours
def test_sentinels_replace_a_killed_primary_which_comes_back_as_a_replica(begun: Begun, flavour: Flavour) -> None:
    begun[SENTINELS_REPLACE_A_PRIMARY[flavour]].result()


def test_a_planned_failover_and_a_former_primary_that_does_not_know(begun: Begun) -> None:
    begun[planned_failover].result()


@both_flavours
def test_a_cluster_replaces_a_killed_primary_which_comes_back_as_a_replica(begun: Begun, flavour: Flavour) -> None:
    begun[CLUSTER_REPLACES_A_PRIMARY[flavour]].result()


@both_flavours
def test_a_slot_moves_with_its_keys_while_clients_are_sent_back_and_forth(begun: Begun, flavour: Flavour) -> None:
    begun[MOVING_SLOT[flavour]].result()
