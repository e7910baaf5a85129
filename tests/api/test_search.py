"""`GET /api/conversations?q=`: what was said is found, by the person who said it."""

import asyncio
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.server_process import ServerProcess
from tests.support.serving_process import frozen
from tests.support.store_dump import store_pid
from tests.support.waiting import until

LIST = "/api/conversations"


async def found(client: Client, wanted: str) -> list[str]:
    return [row["id"] for row in (await client.get(LIST, q=wanted))["conversations"]]


async def test_questions_replies_and_titles_are_found(alice: Client) -> None:
    named = await alice.create(title="About the 睡莲")
    talked = await alice.create()
    shown = await alice.say(talked, "Where does the 莲花 grow?")
    for wanted in ("莲花", "grow?", "DOES the", shown.text[:12]):
        assert talked in await found(alice, wanted)
    assert set(await found(alice, "莲")) == {named, talked}
    assert await found(alice, "睡") == [named]
    assert await found(alice, "nowhere to be seen") == []


async def test_a_row_shows_where_it_was_found(alice: Client) -> None:
    conversation = await alice.create(title="Lotus")
    await alice.say(conversation, "What is a lotus? " + "x" * 300)
    question = (await alice.messages(conversation))[0]["id"]
    (row,) = (await alice.get(LIST, q="lOtUs"))["conversations"]
    title, *messages = row.pop("matches")
    assert title == {"message_id": None, "excerpt": "Lotus", "highlights": [[0, 5]]}
    match = next(match for match in messages if match["message_id"] == question)
    start, end = match["highlights"][0]
    assert match["excerpt"][start:end] == "lotus"
    assert match["excerpt"].endswith("…")
    assert row == await alice.get(f"{LIST}/{conversation}")


async def test_a_list_that_is_not_searched_shows_no_matches(alice: Client) -> None:
    conversation = await alice.create(title="Lotus")
    plain = await alice.get(LIST)
    assert [row["id"] for row in plain["conversations"]] == [conversation]
    assert "matches" not in plain["conversations"][0]
    for blank in ("", " ", "\u3000\n"):
        assert await alice.get(LIST, q=blank) == plain


async def test_pages_of_a_search_have_no_gap_and_no_double(alice: Client) -> None:
    made = [await alice.create(title=f"{'lotus' if number % 2 else 'mud'} {number}") for number in range(11)]
    seen: list[Any] = []
    before = None
    while True:
        page = await alice.get(LIST, q="lotus", limit=2, before=before)
        assert len(page["conversations"]) <= 2
        seen += page["conversations"]
        before = page["next"]
        if before is None:
            break
    assert [row["id"] for row in seen] == made[1::2][::-1]


async def test_a_running_turn_is_found_by_its_question(alice: Client) -> None:
    conversation = await alice.create()
    turn = await alice.begin(conversation, "[long] 莲花")
    assert await found(alice, "莲花") == [conversation]
    await alice.stop(conversation, turn)
    assert await found(alice, "莲花") == [conversation]


async def test_nothing_is_found_of_somebody_else(alice: Client, bob: Client) -> None:
    mine = await alice.create(title="莲花")
    theirs = await bob.create(title="莲花")
    assert (await found(alice, "莲花"), await found(bob, "莲花")) == ([mine], [theirs])


async def test_what_was_deleted_is_not_found(alice: Client) -> None:
    gone, cleared = await alice.create(title="Lotus"), await alice.create(title="Lotus")
    for conversation in (gone, cleared):
        await alice.say(conversation, "a 莲花")
    assert set(await found(alice, "lotus")) == {gone, cleared}
    await alice.ask("DELETE", f"{LIST}/{gone}")
    await alice.ask("DELETE", f"/api/chat/history/{cleared}")
    for wanted in ("lotus", "莲花"):
        assert await found(alice, wanted) == []


@pytest.mark.parametrize("word", ["café", "테스트", "Việt"])
async def test_composed_and_decomposed_are_alike(alice: Client, word: str) -> None:
    ways = {form: unicodedata.normalize(form, word) for form in ("NFC", "NFD")}
    made = {await alice.create(title=f"👍🏽 {way} 莲"): way for way in ways.values()}
    for wanted in ways.values():
        rows = (await alice.get(LIST, q=wanted))["conversations"]
        assert {row["id"] for row in rows} == made.keys()
        for row in rows:
            ((start, end),) = row["matches"][0]["highlights"]
            assert row["matches"][0]["excerpt"][start:end] == made[row["id"]]


async def test_marks_count_characters(alice: Client) -> None:
    await alice.create(title="👨‍👩‍👧 Straße 莲")
    for wanted, shown in (("STRASSE", "Straße"), ("莲", "莲"), ("👩", "👩")):
        (row,) = (await alice.get(LIST, q=wanted))["conversations"]
        ((start, end),) = row["matches"][0]["highlights"]
        assert row["matches"][0]["excerpt"][start:end] == shown


@pytest.mark.parametrize("wanted", ["x" * 201, "a\0b", "a\x1bb", "\x9b"], ids=["long", "NUL", "escape", "C1"])
async def test_a_search_that_cannot_be_is_refused(alice: Client, wanted: str) -> None:
    answer = await alice.ask("GET", LIST, q=wanted)
    assert answer.problem == (422, "invalid_request")
    assert [error["field"] for error in answer.json["errors"]] == ["q"]


@pytest.mark.parametrize("wanted", ["莲" * 198, "*", "?[a]", "%", "\\", '"', "ß", "İ", "\u200d", "🇨", "\t"])
async def test_any_text_can_be_searched_for(alice: Client, wanted: str) -> None:
    conversation = await alice.create(title="mud")
    text = f"before{wanted}after"
    await alice.say(conversation, text)
    assert await found(alice, f"e{wanted}a") == [conversation]
    assert await found(alice, f"z{wanted}z") == []


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "before=x", "before=1_x"])
async def test_a_page_that_cannot_be_is_refused(alice: Client, query: str) -> None:
    answer = await alice.ask("GET", f"{LIST}?user_id={alice.user}&q=lotus&{query}")
    assert answer.problem == (422, "invalid_request")


async def test_a_search_whose_client_is_gone_is_ended(
    alice: Client, http_server: ServerProcess, http_data_dir: Path
) -> None:
    conversation = await alice.create(title="lotus")
    lines = [f"GET {LIST} {status} " for status in (200, 503)]
    before = [http_server.log.count(line) for line in lines]
    with frozen(store_pid(http_data_dir)):  # the search waits for it
        address = alice.address(LIST, {"q": "lotus"})
        _, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(f"GET {address.raw_path_qs} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        await until(lambda: http_server.log.count(lines[0]) > before[0])
    assert http_server.log.count(lines[1]) == before[1], "it was not the store's silence that ended it"
    assert await found(alice, "lotus") == [conversation], "and its user's place is free"
