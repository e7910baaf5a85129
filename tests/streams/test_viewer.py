"""Viewers over time: whose turn it is, turns that run elsewhere, hints that are lost."""

import asyncio
from functools import partial

import pytest
from redis.asyncio import Redis

from lianhua.errors import ConversationNotFound
from lianhua.models.scripted import Rule
from lianhua.store.client.topology import Nodes
from lianhua.streams.live import STEP_BYTES
from tests.support.services import end_of, follow, open_service, start, tasks_named, text_of
from tests.support.stillness import Stopwatch
from tests.support.waiting import HANGS_S, stays, until

LONG = Rule(pieces=("a", "b", "c"), repeat=2_000, interval_s=0.01)


async def test_an_open_stream_ends_when_the_conversation_is_no_longer_its_owners(client: Redis, nodes: Nodes) -> None:
    often = partial(open_service, owner_check_s=0.2)
    async with often(nodes, LONG) as one, often(nodes, worker="two") as two:
        ref = await start(one, "go")
        viewers = [asyncio.create_task(follow(service, ref)) for service in (one, two)]
        await stays(lambda: not any(viewer.done() for viewer in viewers), 0.3)
        await client.hset(f"lianhua:{{{ref.conversation_id}}}", "owner", "bob")
        async with asyncio.timeout(HANGS_S):
            for viewer in viewers:
                with pytest.raises(ConversationNotFound):
                    await viewer


async def test_many_viewers_elsewhere_share_one_reader(nodes: Nodes) -> None:
    rule = Rule(pieces=("a", "b", "c"), repeat=60, interval_s=0.01)
    async with open_service(nodes, rule) as one, open_service(nodes, worker="two") as two:
        ref = await start(one, "go")
        viewers = [asyncio.create_task(follow(two, ref)) for _ in range(50)]
        await follow(two, ref, limit=20)
        assert tasks_named(f"tail {ref.turn_id}") == 1
        seen = await asyncio.gather(*viewers)
        assert {text_of(each) for each in seen} == {"abc" * 60}
        assert all(end_of(each)["status"] == "done" for each in seen)
        await until(lambda: not tasks_named(f"tail {ref.turn_id}"))


async def test_a_viewer_elsewhere_is_woken_rather_than_late(nodes: Nodes) -> None:
    rule = Rule(pieces=("a", "b", "c"), repeat=20, interval_s=0.02)
    async with open_service(nodes, rule) as one, open_service(nodes, worker="two", reread_s=60) as two:
        ref = await start(one, "go")
        watch = Stopwatch()
        assert text_of(await follow(two, ref)) == "abc" * 20
        assert watch.within(20), watch.took()


async def test_lost_hints_lose_nothing(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lianhua.store.client.pubsub.Bell.ring", lambda bell, hint=b"": None)
    rule = Rule(pieces=("a", "b", "c"), repeat=20, interval_s=0.02)
    async with open_service(nodes, rule) as one, open_service(nodes, worker="two") as two:
        ref = await start(one, "go")
        watch = Stopwatch()
        assert text_of(await follow(two, ref)) == "abc" * 20
        assert watch.within(20), watch.took()


async def test_a_stop_reaches_its_worker_although_the_hint_is_lost(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lianhua.turns.leases.LeaseRenewal._hear", lambda renewal, hint: None)
    silent = Rule(pieces=("late",), first_s=600)
    async with open_service(nodes, silent) as one, open_service(nodes, worker="two") as two:
        ref = await start(one, "go")
        assert (await two.turns.stop("ann", ref)).status == "stopped"


async def test_a_viewer_is_given_no_more_at_a_time_than_its_share(nodes: Nodes) -> None:
    rule = Rule(pieces=("字" * 700,), repeat=250)
    async with open_service(nodes, rule) as service:
        ref = await start(service, "go")
        await follow(service, ref)
        late = await service.turns.view("ann", ref)
        assert late is not None
        steps = [len(frames) async for frames in late.frames()]
        assert len(steps) > 1
        assert max(steps) < STEP_BYTES + 4_096
