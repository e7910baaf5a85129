"""Token buckets on every kind of store, and what answers say of them."""

import asyncio

import http_sfv
import pytest
from redis.asyncio import Redis

from lianhua.config.limits import Quota
from lianhua.limits.rate import Rate
from lianhua.store.buckets import Buckets
from lianhua.store.client.client import StoreClient
from lianhua.store.client.topology import Nodes
from tests.support.waiting import until

ANN = {"user": "ann", "address": "192.0.2.1"}


@pytest.fixture
def buckets(client: Redis, nodes: Nodes) -> Buckets:
    return Buckets(StoreClient(nodes))


def items(field: str) -> dict[str, dict[str, int]]:
    """A list of structured fields as names with their parameters."""
    parsed = http_sfv.List()
    parsed.parse(field.encode())
    return {item.value: dict(item.params) for item in parsed}


async def test_so_many_at_once_and_then_evenly(buckets: Buckets) -> None:
    rate = Rate({"turns": Quota(10, 20)}, buckets)
    taken = await asyncio.gather(*(rate.take(["turns"], ANN) for _ in range(30)))
    allowed = sum(each.allowed for each in taken)
    assert 10 <= allowed < 30
    refused = next(each for each in taken if not each.allowed)
    assert 0 < refused.wait_s <= 2

    async def another() -> bool:
        return (await rate.take(["turns"], ANN)).allowed

    await until(another)


async def test_two_workers_have_one_bucket(client: Redis, nodes: Nodes) -> None:
    workers = [Rate({"turns": Quota(7, 3_600)}, Buckets(StoreClient(nodes))) for _ in range(2)]
    taken = await asyncio.gather(*(each.take(["turns"], ANN) for each in workers * 10))
    assert sum(each.allowed for each in taken) == 7


async def test_a_user_a_token_and_an_address_are_counted_each(buckets: Buckets) -> None:
    rate = Rate({"turns": Quota(2, 3_600), "turns:address": Quota(3, 3_600)}, buckets)
    bob = {**ANN, "user": "bob", "token": "t"}
    met = [(await rate.take(["turns"], each)).allowed for each in (ANN, ANN, ANN, bob)]
    assert met == [True, True, False, False]  # the third one's address had a last one, and that is gone
    elsewhere = {**bob, "address": "192.0.2.2"}
    assert (await rate.take(["turns"], elsewhere)).allowed
    assert not (await rate.take(["turns"], {**elsewhere, "user": "eve"})).allowed  # the same token


async def test_an_ipv6_network_is_one_address(buckets: Buckets) -> None:
    rate = Rate({"login": Quota(1, 3_600)}, buckets)
    for address, allowed in (
        ("2001:db8::1", True), ("2001:db8::ffff:1", False), ("2001:db8:0:1::1", True),
        ("192.0.2.7", True), ("::ffff:192.0.2.7", False),
    ):  # fmt: skip
        assert (await rate.take(["login"], {"address": address})).allowed is allowed, address


async def test_what_is_not_limited_asks_the_store_nothing(buckets: Buckets, client: Redis) -> None:
    rate = Rate({"turns": Quota(1, 60)}, buckets)
    assert not rate.limits("requests", "login")
    taken = await rate.take(["requests"], ANN)
    assert taken.allowed and taken.headers == {}
    assert not [key async for key in client.scan_iter("*rate:*")]


async def test_the_headers_are_structured_fields(buckets: Buckets) -> None:
    rate = Rate({"turns": Quota(3, 60), "turns:address": Quota(5, 60), "requests": Quota(600, 120)}, buckets)
    for left in (2, 1, 0, 0):
        taken = await rate.take(["requests", "turns"], ANN)
        policies = items(taken.headers["RateLimit-Policy"])
        assert policies == {"requests": {"q": 600, "w": 120}, "turns": {"q": 3, "w": 60}}
        levels = items(taken.headers["RateLimit"])
        assert list(levels) == ["requests", "turns"]
        assert levels["turns"]["r"] == left
        assert 0 < levels["turns"]["t"] <= 60
    assert not taken.allowed
    assert 0 < taken.wait_s <= 20


async def test_a_full_bucket_is_no_key(buckets: Buckets, client: Redis) -> None:
    rate = Rate({"turns": Quota(10, 1)}, buckets)
    await rate.take(["turns"], ANN)
    assert [key async for key in client.scan_iter("*rate:*")]

    async def none_left() -> bool:
        return not [key async for key in client.scan_iter("*rate:*")]

    await until(none_left)
