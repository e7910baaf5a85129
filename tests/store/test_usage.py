"""What turns have used, on every kind of store."""

import asyncio
from datetime import UTC, date, datetime

import pytest
from redis.asyncio import Redis

from lianhua.chat.messages import Spent, Usage
from lianhua.store.client.client import StoreClient
from lianhua.store.client.topology import Nodes
from lianhua.store.usage import COUNTED_S, KEPT_S, UsageLedger

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
TODAY = date(2026, 11, 23)
DAY_S = 86_400


@pytest.fixture
def ledger(client: Redis, nodes: Nodes) -> UsageLedger:
    return UsageLedger(StoreClient(nodes))


async def spent_on(ledger: UsageLedger, day: date, owner: str = "ann") -> dict[str, Spent]:
    days = await ledger.days(owner, day, day)
    return days[0].models if days else {}


async def test_turns_add_up_by_model(ledger: UsageLedger) -> None:
    await ledger.count("ann", "1", "gpt 4o mini", Usage(10, 5), NOON)
    await ledger.count("ann", "2", "gpt 4o mini", Usage(20, 7, estimated=True), NOON)
    await ledger.count("ann", "3", "b", Usage(1, 0), NOON)
    assert await spent_on(ledger, TODAY) == {"gpt 4o mini": Spent(2, 30, 12, 27), "b": Spent(1, 1, 0, 0)}
    assert list(await spent_on(ledger, TODAY)) == ["b", "gpt 4o mini"]
    assert await spent_on(ledger, TODAY, "bob") == {}


async def test_a_turn_counts_once_however_often_it_is_reported(ledger: UsageLedger) -> None:
    await asyncio.gather(*(ledger.count("ann", "1", "m", Usage(10, 5), NOON) for _ in range(20)))
    assert await spent_on(ledger, TODAY) == {"m": Spent(1, 10, 5, 0)}
    await ledger.count("ann", "1", "m", Usage(10, 5), NOON + DAY_S)
    assert await spent_on(ledger, date(2026, 11, 24)) == {}


async def test_many_turns_at_once_are_all_counted(ledger: UsageLedger) -> None:
    await asyncio.gather(*(ledger.count("ann", f"{n}", "m", Usage(1, 2, estimated=True), NOON) for n in range(50)))
    assert await spent_on(ledger, TODAY) == {"m": Spent(50, 50, 100, 150)}


async def test_a_title_has_tokens_and_is_no_turn(ledger: UsageLedger) -> None:
    for _ in range(2):
        await ledger.count("ann", "title:5f0c5a0e", "m", Usage(30, 4), NOON)
    assert await spent_on(ledger, TODAY) == {"m": Spent(0, 30, 4, 0)}


async def test_a_day_is_one_in_utc(ledger: UsageLedger) -> None:
    midnight = datetime(2026, 11, 24, tzinfo=UTC).timestamp()
    await ledger.count("ann", "1", "m", Usage(1, 0), midnight - 0.001)
    await ledger.count("ann", "2", "m", Usage(2, 0), midnight)
    days = await ledger.days("ann", date(2026, 11, 1), date(2026, 11, 30))
    assert [(day.date, day.models["m"].prompt) for day in days] == [(TODAY, 1), (date(2026, 11, 24), 2)]


async def test_a_whole_leap_year_is_read_at_once(ledger: UsageLedger) -> None:
    await ledger.count("ann", "1", "m", Usage(1, 0), datetime(2028, 1, 1, tzinfo=UTC).timestamp())
    await ledger.count("ann", "2", "m", Usage(2, 0), datetime(2028, 12, 31, 23, tzinfo=UTC).timestamp())
    days = await ledger.days("ann", date(2028, 1, 1), date(2028, 12, 31))
    assert [day.date for day in days] == [date(2028, 1, 1), date(2028, 12, 31)]


async def test_what_was_counted_long_ago_is_no_longer_kept_to_compare(ledger: UsageLedger, client: Redis) -> None:
    counted, day = "lianhua:{user:ann}:counted", "lianhua:{user:ann}:usage:2026-11-23"
    await ledger.count("ann", "old", "m", Usage(1, 0), NOON)
    seconds = await client.zscore(counted, "old")
    assert seconds is not None
    await client.zadd(counted, {"old": seconds - COUNTED_S - 1, "lately": seconds - COUNTED_S + 60})
    await ledger.count("ann", "new", "m", Usage(1, 0), NOON)
    assert await client.zrange(counted, 0, -1) == [b"lately", b"new"]
    assert COUNTED_S - 5 <= await client.ttl(counted) <= COUNTED_S
    assert KEPT_S - 5 <= await client.ttl(day) <= KEPT_S
