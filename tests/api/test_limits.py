"""Refusals by limits as a client meets them, over two workers; and what a killed server had reserved."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import http_sfv
import pytest

from tests.conftest import SCRIPT, StartServer
from tests.support.client import Answer, Client, events, turns
from tests.support.waiting import until

NOBODY = "00000000-0000-4000-8000-000000000000"


def items(answer: Answer, name: str) -> dict[str, dict[str, int]]:
    parsed = http_sfv.List()
    parsed.parse(answer.headers[name].encode())
    return {item.value: dict(item.params) for item in parsed}


@pytest.fixture
async def limited(session: aiohttp.ClientSession, start_server: StartServer) -> AsyncIterator[Client]:
    """A person at two workers that limit them."""
    server = start_server(
        LIANHUA_SCRIPT=str(SCRIPT),
        LIANHUA_WORKERS="2",
        LIANHUA_RATE_LIMIT="turns:user=4/h,requests=100000/h",
        LIANHUA_BUDGET="tokens=3000/day",
        LIANHUA_TIME_ZONE="Asia/Shanghai",
    )
    yield Client(session, server.url, "ann")


async def budget(client: Client) -> Any:
    (found,) = (await client.get("/api/usage"))["budgets"]
    return found


async def test_limits_are_met_and_explained(limited: Client) -> None:
    # A budget: the second turn would not fit any more.
    first, second = await limited.create(), await limited.create()
    sent = await asyncio.gather(*(limited.send(name, "[slow]") for name in (first, second)))
    refused = next(answer for answer in sent if answer.status != 202)
    assert refused.problem == (429, "quota_exhausted")
    body = refused.json
    assert (body["unit"], body["period"]) == ("tokens", "day")
    assert (body["resets_at"] + 8 * 3_600) % 86_400 == 0
    assert 0 < body["resets_at"] - time.time() <= 86_400
    assert 1 <= int(refused.headers["Retry-After"]) <= 3_600
    assert "重新开始" in body["detail"] and "Asia/Shanghai" in body["detail"]
    name = second if sent[1] is refused else first
    assert await limited.messages(name) == []
    assert len(await limited.messages(first if name is second else second)) >= 1

    # A rate: the same over both workers, and another user has their own.
    levels = [items(answer, "RateLimit")["turns"]["r"] for answer in sent]
    assert sorted(levels) == [2, 3]
    met = [await limited.send(NOBODY, "hello") for _ in range(4)]
    assert [answer.status for answer in met] == [404, 404, 429, 429]
    assert met[-1].problem == (429, "rate_limited")
    assert int(met[-1].headers["Retry-After"]) == pytest.approx(900, abs=60)
    assert items(met[-1], "RateLimit-Policy") == {
        "turns": {"q": 4, "w": 3_600}, "requests": {"q": 100_000, "w": 3_600}
    }  # fmt: skip
    assert items(met[-1], "RateLimit")["turns"]["r"] == 0
    assert (await limited.as_user("bob").send(NOBODY, "hello")).status == 404
    other = await limited.ask("GET", "/api/conversations")
    assert "turns" not in items(other, "RateLimit")
    assert "RateLimit" not in (await limited.ask("GET", "/healthz")).headers
    assert (await limited.as_user("bob").ask("POST", turns(NOBODY), b"{")).status == 422


async def test_what_a_killed_server_had_reserved_is_given_back(
    session: aiohttp.ClientSession, start_server: StartServer
) -> None:
    environment = {"LIANHUA_SCRIPT": str(SCRIPT), "LIANHUA_BUDGET": "tokens=3000/day"}
    server = start_server(**environment)
    ann = Client(session, server.url, "ann")
    name = await ann.create()
    turn = (await ann.send(name, "[long]")).json["turn_id"]
    async with ann.stream(events(name, turn)) as stream:
        await stream.until(lambda frames: len(frames) > 3)
    assert (await budget(ann))["reserved"] > 2_000
    server.kill()

    ann = ann.at(start_server(**environment).url)

    async def given_back() -> Any:
        found = await budget(ann)
        return found if found["reserved"] == 0 else None

    # What had been shown of the text was paid for; no more is missing.
    standing = await until(given_back)
    assert standing["left"] == 3_000 - standing["used"] > 2_000
