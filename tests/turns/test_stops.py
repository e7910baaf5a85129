"""A stop that is pressed while the store is away, and one that meets a turn that is being handed over."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lianhua.config.store_url import parse_address
from lianhua.errors import StoreUnavailable
from lianhua.models.scripted import Rule
from lianhua.store.client.topology import Nodes
from lianhua.store.open import open_nodes
from tests.support.servers.proxy import Proxy
from tests.support.servers.redis_server import RedisServer
from tests.support.services import ended, follow, open_service, start

SHOWN = Rule(pieces=("shown", "never"), interval_s=60)
SILENT = Rule(pieces=("too late",), first_s=60)


@asynccontextmanager
async def through(proxy: Proxy) -> AsyncIterator[Nodes]:
    """The store as a process has it whose way there can be cut."""
    nodes = await open_nodes(parse_address(f"redis://127.0.0.1:{proxy.port}"))
    try:
        yield nodes
    finally:
        await nodes.close()


@pytest.mark.parametrize("rule", [SHOWN, SILENT])
async def test_a_stop_that_the_store_did_not_hear_is_raised_when_it_is_back(tmp_path: Path, rule: Rule) -> None:
    with RedisServer(tmp_path) as server:
        async with (
            Proxy(server.port) as proxy,
            through(proxy) as nodes,
            open_service(nodes, rule, patience_s=0.3) as one,
        ):
            ref = await start(one, "go")
            await follow(one, ref, limit=2 if rule is SHOWN else 1)
            proxy.refuse()
            with pytest.raises(StoreUnavailable):
                await one.turns.stop("ann", ref)
            await proxy.accept()
            await one.lifecycle.worker_gone("one")  # its lease ends now
            assert await ended(one, ref) == "stopped"


async def test_a_stop_meets_a_turn_that_is_being_handed_over(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        nodes = await open_nodes(parse_address(server.url))
        async with open_service(nodes, worker="two") as two:
            async with open_service(nodes, SILENT) as one:
                ref = await start(one, "go")
                (job,) = one.lifecycle._tasks.jobs
                job.stop("handed_over")
                job.stop("stopped")
                assert await ended(one, ref) == "stopped"
            assert (await two.turns.turn("ann", ref)).record.attempts == 1
        await nodes.close()
