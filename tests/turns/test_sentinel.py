"""Sentinels under running replies: a primary that is replaced in order, and one that dies."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import pytest

from lianhua.config.store_url import parse_address
from lianhua.errors import StoreUnavailable
from lianhua.models.scripted import Rule
from lianhua.store.open import open_nodes
from tests.support.servers.sentinel import SentinelSet
from tests.support.services import Seen, end_of, follow, open_service, reply_of, start, text_of
from tests.support.side_by_side import Begun, Stage, variants

STEADY = Rule(pieces=("a", "b", "c"), repeat=60, interval_s=0.03)
ALWAYS = {"appendonly": "yes", "appendfsync": "always"}
AGAIN_S = 0.05
Answer = TypeVar("Answer")


async def insist(ask: Callable[..., Awaitable[Answer]], *arguments: Any, **more: Any) -> Answer:
    """Asks again where the store is away for now, as whoever meets a 503: on a slow disk `strict` may take too long."""
    while True:
        with contextlib.suppress(StoreUnavailable):
            return await ask(*arguments, **more)
        await asyncio.sleep(AGAIN_S)


async def replaced_and_dead(stage: Stage, strict: bool) -> None:
    async with SentinelSet(stage.folder, config=ALWAYS) as sentinels:
        nodes = await open_nodes(parse_address(sentinels.url))
        async with (
            open_service(nodes, STEADY, strict=strict) as one,
            open_service(nodes, worker="two", strict=strict) as two,
            asyncio.timeout(250),
        ):
            for fail in (sentinels.failover, sentinels.kill_primary):
                refs = [await insist(start, one, f"go {number}") for number in range(6)]
                here = [asyncio.create_task(insist(follow, one, ref)) for ref in refs]
                there = [asyncio.create_task(insist(follow, two, ref)) for ref in refs]
                for ref in refs:  # old enough to be on the replicas, and half made
                    await insist(follow, one, ref, limit=30)
                await fail()
                for ref, seen in zip(refs, await asyncio.gather(*here), strict=True):
                    assert (text_of(seen), end_of(seen)["status"]) == ("abc" * 60, "done")
                    assert await reply_of(one, ref) == ("abc" * 60, "done")
                    assert seen.cursors == sorted(set(seen.cursors))
                elsewhere: list[Seen] = await asyncio.gather(*there)
                assert all(end_of(seen)["status"] == "done" for seen in elsewhere)
            assert sentinels.failovers == 2
        await nodes.close()


REPLACED_AND_DEAD: Final = variants(replaced_and_dead, True, False)
SCENARIOS: Final = list(REPLACED_AND_DEAD.values())


@pytest.mark.parametrize("strict", [True, False])
def test_replies_go_on_when_the_primary_is_replaced_and_when_it_dies(begun: Begun, strict: bool) -> None:
    begun[REPLACED_AND_DEAD[strict]].result()
