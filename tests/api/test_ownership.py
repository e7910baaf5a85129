"""Whose conversation is whose: a foreign one is one that does not exist."""

import re
import uuid

import pytest

from tests.support.client import JSON, Client, events, turns

CALLS: list[tuple[str, str, JSON | None]] = [
    ("GET", "/api/conversations/{conversation}", None),
    ("PATCH", "/api/conversations/{conversation}", {"title": "mine now"}),
    ("DELETE", "/api/conversations/{conversation}", None),
    ("GET", "/api/conversations/{conversation}/messages", None),
    ("POST", "/api/conversations/{conversation}/turns", {"message": "hello"}),
    ("GET", "/api/conversations/{conversation}/turns/{turn}", None),
    ("GET", "/api/conversations/{conversation}/turns/{turn}/events", None),
    ("POST", "/api/conversations/{conversation}/turns/{turn}/stop", None),
    ("GET", "/api/chat/history?session_id={conversation}&user_id={user}", None),
    ("GET", "/api/chat/stream?session_id={conversation}&message=hello&user_id={user}", None),
    ("DELETE", "/api/chat/history/{conversation}", None),
    ("GET", "/chat/history?session_id={conversation}&user_id={user}", None),
    ("GET", "/chat/stream?session_id={conversation}&message=hello&user_id={user}", None),
    ("DELETE", "/chat/history/{conversation}", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CALLS, ids=[f"{method} {path}" for method, path, _ in CALLS])
async def test_a_foreign_conversation_is_a_missing_one(
    alice: Client, bob: Client, method: str, path: str, body: JSON | None
) -> None:
    conversation = await alice.create(title="private")
    turn = await alice.begin(conversation, "[long]")
    foreign = await bob.ask(method, path.format(conversation=conversation, turn=turn, user=bob.user), body)
    missing = await bob.ask(method, path.format(conversation=uuid.uuid4(), turn=turn, user=bob.user), body)
    assert foreign.problem == (404, "conversation_not_found")
    assert foreign.nameless == missing.nameless
    assert {*foreign.headers} == {*missing.headers}

    untouched = await alice.get(f"/api/conversations/{conversation}")
    assert (untouched["title"], untouched["message_count"]) == ("private", 1)
    assert untouched["running_turn_id"] == turn
    await alice.stop(conversation, turn)


async def test_a_resumed_stream_of_another_user_is_a_missing_one(alice: Client, bob: Client) -> None:
    conversation = await alice.create()
    frames = await alice.read("/chat/stream", session_id=conversation, message="hello")
    for path in (
        f"/chat/stream?session_id={conversation}&user_id={bob.user}",
        f"{events(conversation, frames[0].turn_id)}?user_id={bob.user}",
    ):
        answer = await bob.ask("GET", path, headers={"Last-Event-ID": frames[1].id})
        assert answer.problem == (404, "conversation_not_found")


async def test_a_turn_of_another_conversation_is_a_missing_one(alice: Client) -> None:
    mine, other = await alice.create(), await alice.create()
    turn = (await alice.say(other, "hello")).turn["turn_id"]
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/stop")):
        answer = await alice.ask(method, f"{turns(mine)}/{turn}{path}")
        assert answer.problem == (404, "turn_not_found")


async def test_lists_show_only_ones_own(alice: Client, bob: Client) -> None:
    hers, his = await alice.create(), await bob.create()
    for client, own in ((alice, hers), (bob, his)):
        page = await client.get("/api/conversations")
        assert [conversation["id"] for conversation in page["conversations"]] == [own]


async def test_without_a_user_id_a_cookie_knows_the_browser(alice: Client) -> None:
    browser = alice.as_user(None)
    first = await browser.ask("POST", "/api/conversations", {})
    cookie = first.headers["Set-Cookie"]
    value = re.match(r"lianhua_uid=([A-Za-z0-9_-]{20,});", cookie)
    assert value
    assert {"httponly", "samesite=lax", "path=/"} <= {part.strip().lower() for part in cookie.split(";")}

    mine = {"Cookie": f"lianhua_uid={value[1]}"}
    again = await browser.ask("GET", f"/api/conversations/{first.json['id']}", headers=mine)
    assert again.status == 200
    assert "Set-Cookie" not in again.headers
    for foreign in ({}, {"Cookie": f"lianhua_uid={value[1][::-1]}"}, {"Cookie": "lianhua_uid=../../x"}):
        answer = await browser.ask("GET", f"/api/conversations/{first.json['id']}", headers=foreign)
        assert answer.problem == (404, "conversation_not_found")


async def test_a_browser_whose_cookie_is_no_good_gets_a_new_one(alice: Client) -> None:
    answer = await alice.as_user(None).ask("GET", "/api/conversations", headers={"Cookie": "lianhua_uid=x"})
    assert answer.status == 200
    assert answer.headers["Set-Cookie"].startswith("lianhua_uid=")


async def test_a_user_id_cannot_name_somebodys_cookie(alice: Client) -> None:
    browser = alice.as_user(None)
    cookie = (await browser.ask("POST", "/api/conversations", {})).headers["Set-Cookie"]
    value = cookie.partition("=")[2].partition(";")[0]
    page = await alice.as_user(value).get("/api/conversations")
    assert page["conversations"] == []
    tilde = await alice.as_user(f"~{value}").ask("GET", "/api/conversations")
    assert tilde.problem == (422, "invalid_request")


async def test_a_user_id_counts_more_than_the_cookie(alice: Client) -> None:
    conversation = await alice.create()
    headers = {"Cookie": "lianhua_uid=AAAAAAAAAAAAAAAAAAAAAA"}
    assert (await alice.ask("GET", f"/api/conversations/{conversation}", headers=headers)).status == 200
