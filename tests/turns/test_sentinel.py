"""Sentinels under running replies: a primary that is replaced in order, and one that dies."""

import asyncio
from pathlib import Path

import pytest

from lianhua.config.store_url import parse_address
from lianhua.models.scripted import Rule
from lianhua.store.open import open_nodes
from tests.support.servers.sentinel import SentinelSet
from tests.support.services import Seen, end_of, follow, open_service, reply_of, start, text_of

STEADY = Rule(pieces=("a", "b", "c"), repeat=60, interval_s=0.03)
ALWAYS = {"appendonly": "yes", "appendfsync": "always"}


@pytest.mark.parametrize("strict", [True, False])
async def test_replies_go_on_when_the_primary_is_replaced_and_when_it_dies(tmp_path: Path, strict: bool) -> None:
    async with SentinelSet(tmp_path, config=ALWAYS) as sentinels:
        nodes = await open_nodes(parse_address(sentinels.url))
        async with (
            open_service(nodes, STEADY, strict=strict) as one,
            open_service(nodes, worker="two", strict=strict) as two,
            asyncio.timeout(250),
        ):
            for fail in (sentinels.failover, sentinels.kill_primary):
                refs = [await start(one, f"go {number}") for number in range(6)]
                here = [asyncio.create_task(follow(one, ref)) for ref in refs]
                there = [asyncio.create_task(follow(two, ref)) for ref in refs]
                for ref in refs:  # old enough to be on the replicas, and half made
                    await follow(one, ref, limit=30)
                await fail()
                for ref, seen in zip(refs, await asyncio.gather(*here), strict=True):
                    assert (text_of(seen), end_of(seen)["status"]) == ("abc" * 60, "done")
                    assert await reply_of(one, ref) == ("abc" * 60, "done")
                    assert seen.cursors == sorted(set(seen.cursors))
                elsewhere: list[Seen] = await asyncio.gather(*there)
                assert all(end_of(seen)["status"] == "done" for seen in elsewhere)
            assert sentinels.failovers == 2
        await nodes.close()
