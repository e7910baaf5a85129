"""A Cluster under running replies: slots that move, a primary that dies."""

import asyncio
from typing import Final

from lianhua.config.store_url import parse_address
from lianhua.models.scripted import Rule
from lianhua.store.open import open_nodes
from tests.support.servers.cluster import Cluster
from tests.support.services import end_of, follow, open_service, reply_of, start, text_of
from tests.support.side_by_side import Begun, Stage

STEADY = Rule(pieces=("a", "b", "c"), repeat=60, interval_s=0.03)


async def moved_and_dead(stage: Stage) -> None:
    async with Cluster(stage.folder) as cluster:
        nodes = await open_nodes(parse_address(cluster.url))
        async with open_service(nodes, STEADY) as one, open_service(nodes, worker="two") as two, asyncio.timeout(250):
            refs = [await start(one, f"go {number}") for number in range(9)]
            viewers = [asyncio.create_task(follow(service, ref)) for service in (one, two) for ref in refs]
            for ref in refs[:3]:
                key = f"lianhua:{{{ref.conversation_id}}}"
                owner = await cluster.primary_of(key)
                other = next(node for node in await cluster.primaries() if node is not owner)
                await cluster.move_slot(cluster.slot_of(key), other, batch=1, pause_s=0.05)
            await cluster.wait_in_sync()
            victim = await cluster.primary_of(f"lianhua:{{{refs[5].conversation_id}}}")
            await cluster.kill(victim)
            await cluster.wait_for_failover_of(victim)
            seen = await asyncio.gather(*viewers)
            assert cluster.slots_moved == 3
            assert cluster.failovers >= 1
            for ref, here, there in zip(refs, seen[:9], seen[9:], strict=True):
                assert (text_of(here), end_of(here)["status"]) == ("abc" * 60, "done")
                assert await reply_of(two, ref) == ("abc" * 60, "done")
                assert end_of(there) == end_of(here)
                assert here.cursors == sorted(set(here.cursors))
        await nodes.close()


SCENARIOS: Final = [moved_and_dead]


def test_replies_go_on_while_their_slots_move_and_a_primary_dies(begun: Begun) -> None:
    begun[moved_and_dead].result()
