"""What turns have used, and what that costs."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from tests.conftest import StartServer
from tests.support.client import Client, turns
from tests.support.upstream import DONE, Upstream, chunk, events, text
from tests.support.waiting import until

PATH = "/api/usage"
NOTHING = {"turns": 0, "prompt_tokens": 0, "completion_tokens": 0, "estimated_tokens": 0, "cost": None}
# Of a reply and of the title that follows: what the model's server says it has cost, or that it says nothing.
REPORTED = chunk(usage={"prompt_tokens": 1_000, "completion_tokens": 100})
TITLE_REPORTED = chunk(usage={"prompt_tokens": 50, "completion_tokens": 5})


def today() -> date:
    return datetime.now(UTC).date()


def answer(usage: bytes = b"") -> Any:
    return events(text("fine"), chunk(finish="stop"), *([usage] if usage else []), DONE)


@pytest.fixture
async def priced(session: aiohttp.ClientSession, start_server: StartServer) -> AsyncIterator[Client]:
    """A person at a server with two models, of which one has a price."""
    reports = [answer(REPORTED), answer(REPORTED), answer(REPORTED), answer(TITLE_REPORTED)]
    async with Upstream(*reports) as upstream:
        server = start_server(
            OPENAI_BASE_URL=upstream.base_url,
            OPENAI_API_KEY="k",
            LIANHUA_MODELS="org/big one,free",
            LIANHUA_PRICES="org/big one=2.5/10",
            LIANHUA_CURRENCY="CNY",
            LIANHUA_TITLES="model",
        )
        yield Client(session, server.url, "alice")


async def settled(client: Client, turns: int, **query: Any) -> Any:
    """The report once so many turns are counted, which is a moment after a stream has ended."""

    async def counted() -> Any:
        report = await client.get(PATH, **query)
        return report if report["total"]["turns"] >= turns else None

    return await until(counted)


async def test_turns_are_counted_by_day_and_model_with_their_cost(priced: Client) -> None:
    # Both turns come before the conversation has rested, so that one title is made of it, after them.
    conversation = await priced.create()
    first = await priced.say(conversation, "one")
    await priced.say(conversation, "two", model="free")
    elsewhere = await priced.create(title="named by hand")
    await priced.say(elsewhere, "three")

    report = await settled(priced, 3)
    big = {"turns": 2, "prompt_tokens": 2_000, "completion_tokens": 200, "estimated_tokens": 0, "cost": 0.007}
    free = {"turns": 1, "prompt_tokens": 1_000, "completion_tokens": 100, "estimated_tokens": 0, "cost": None}
    assert report["currency"] == "CNY"
    assert report["days"] == [
        {"date": str(today()), "models": [{"model": "free", **free}, {"model": "org/big one", **big}]}
    ]
    assert report["total"] == {
        "turns": 3,
        "prompt_tokens": 3_000,
        "completion_tokens": 300,
        "estimated_tokens": 0,
        "cost": 0.007,
    }

    await is_shown_wherever_it_was_used(priced, conversation, elsewhere, first.turn["turn_id"])

    async def with_title() -> Any:
        report = await priced.get(PATH)
        return report if report["total"]["prompt_tokens"] != 3_000 else None

    report = await until(with_title)
    assert report["total"] == {
        "turns": 3,
        "prompt_tokens": 3_050,
        "completion_tokens": 305,
        "estimated_tokens": 0,
        "cost": 0.007175,
    }


async def is_shown_wherever_it_was_used(priced: Client, conversation: str, elsewhere: str, first: str) -> None:
    """In the list, in a conversation, at its replies, in the tutorial's history and at a turn."""
    half = {"turns": 1, "prompt_tokens": 1_000, "completion_tokens": 100, "estimated_tokens": 0, "cost": 0.0035}
    usages = {one["id"]: one["usage"] for one in (await priced.get("/api/conversations"))["conversations"]}
    assert usages == {
        conversation: {**half, "turns": 2, "prompt_tokens": 2_000, "completion_tokens": 200},
        elsewhere: half,
    }
    assert (await priced.get(f"/api/conversations/{elsewhere}"))["usage"] == half
    one = {"prompt_tokens": 1_000, "completion_tokens": 100, "estimated": False}
    replies = [message["usage"] for message in await priced.messages(conversation) if message["role"] == "assistant"]
    assert replies == [{**one, "cost": 0.0035}, one]
    history = (await priced.get("/chat/history", session_id=elsewhere))["messages"]
    assert history[-1]["usage"] == {**one, "cost": 0.0035}
    turn = await priced.get(f"{turns(conversation)}/{first}")
    assert turn["usage"] == {**one, "cost": 0.0035}


async def test_what_the_server_counted_itself_is_marked_as_estimated(alice: Client) -> None:
    conversation = await alice.create()
    turn = await alice.begin_and_see(conversation, "[long]")
    usage = (await alice.stop(conversation, turn))["usage"]
    assert usage["estimated"]
    assert usage["cost"] is None
    total = (await settled(alice, 1))["total"]
    tokens = usage["prompt_tokens"] + usage["completion_tokens"]
    assert (total["prompt_tokens"] + total["completion_tokens"], total["estimated_tokens"]) == (tokens, tokens)


async def test_a_deleted_conversation_stays_counted(alice: Client, bob: Client) -> None:
    conversation = await alice.create()
    await alice.say(conversation, "hello")
    await settled(alice, 1)
    await alice.ask("DELETE", f"/api/conversations/{conversation}")
    assert (await alice.get(PATH))["total"]["turns"] == 1
    assert (await bob.get(PATH))["total"] == NOTHING


async def test_a_new_conversation_has_used_nothing(alice: Client) -> None:
    conversation = await alice.create()
    assert (await alice.get(f"/api/conversations/{conversation}"))["usage"] == NOTHING


async def test_thirty_days_are_shown_where_none_are_named(alice: Client) -> None:
    report = await alice.get(PATH)
    assert report == {
        "from": str(today() - timedelta(days=29)), "to": str(today()), "currency": "USD", "days": [], "total": NOTHING,
        "budgets": [],
    }  # fmt: skip
    assert (await alice.get(PATH, to="2026-03-01"))["from"] == "2026-01-31"
    assert (await alice.get(PATH, to="0001-01-05"))["from"] == "0001-01-01"
    assert (await alice.get(PATH, **{"from": str(today())}))["to"] == str(today())


async def test_only_the_days_that_are_asked_for_are_shown(alice: Client) -> None:
    conversation = await alice.create()
    await alice.say(conversation, "hello")
    await settled(alice, 1)
    yesterday = str(today() - timedelta(days=1))
    assert (await alice.get(PATH, to=yesterday))["total"] == NOTHING
    year = {"from": "2028-01-01", "to": "2028-12-31"}
    assert (await alice.get(PATH, **year))["days"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-11-02", "to": "2026-11-01"},
        {"from": "2026-01-01", "to": "2027-01-02"},
        {"from": "9999-12-31"},
        {"from": "2026-02-30"},
        {"from": "1764000000"},
        {"from": "2026-11-01T00:00:00"},
        {"to": "today"},
        {"to": ""},
        {"from": "٢٠٢٦-01-01"},
    ],
)
async def test_days_that_make_no_sense_are_refused(alice: Client, query: dict[str, str]) -> None:
    answer = await alice.ask("GET", PATH, **query)
    assert answer.problem == (422, "invalid_request")
    assert {fault["field"] for fault in answer.json["errors"]} <= query.keys()
