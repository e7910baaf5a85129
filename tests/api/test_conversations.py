"""Conversations: made, listed, changed, kept for their time, removed."""

import asyncio
import time
from typing import Any

import pytest

from tests.support.client import Client, turns
from tests.support.waiting import until

DAY_S = 86_400
FIELDS = {
    "id", "title", "role", "model", "created_at", "updated_at", "expires_at", "pinned", "message_count",
    "running_turn_id", "usage",
}  # fmt: skip


async def listed(client: Client, **query: Any) -> list[str]:
    page = await client.get("/api/conversations", **query)
    return [conversation["id"] for conversation in page["conversations"]]


async def test_a_new_conversation_is_as_it_was_asked_for(alice: Client) -> None:
    answer = await alice.ask("POST", "/api/conversations", {"role": "teacher", "model": "scripted", "title": "复利"})
    assert answer.status == 201
    created = answer.json
    assert created.keys() == FIELDS
    assert (created["role"], created["model"], created["title"]) == ("teacher", "scripted", "复利")
    assert (created["pinned"], created["message_count"], created["running_turn_id"]) == (False, 0, None)
    assert abs(created["created_at"] - time.time()) < 60
    assert created["expires_at"] == pytest.approx(created["updated_at"] + 7 * DAY_S, abs=1)
    assert await alice.get(f"/api/conversations/{created['id']}") == created


async def test_a_conversation_needs_no_wishes(alice: Client) -> None:
    answer = await alice.ask("POST", "/api/conversations", {})
    assert (answer.status, answer.json["role"], answer.json["title"]) == (201, "assistant", "")


async def test_a_session_is_a_conversation(alice: Client) -> None:
    session = (await alice.ask("POST", "/chat/start")).json["session_id"]
    assert await listed(alice) == [session]


async def test_the_first_message_names_a_conversation_without_a_title(alice: Client) -> None:
    unnamed, named = await alice.create(), await alice.create(title="mine")
    for conversation in (unnamed, named):
        await alice.say(conversation, "  How do I\nbake bread? " + "x" * 100)
    title = (await alice.get(f"/api/conversations/{unnamed}"))["title"]
    assert title.startswith("How do I bake bread?")
    assert len(title) <= 40
    assert (await alice.get(f"/api/conversations/{named}"))["title"] == "mine"


async def test_a_change_touches_what_it_names(alice: Client) -> None:
    conversation = await alice.create(title="before")
    path = f"/api/conversations/{conversation}"
    original = await alice.get(path)
    renamed = await alice.ask("PATCH", path, {"title": "after"})
    assert renamed.status == 200
    assert {**renamed.json, "expires_at": 0} == {**original, "title": "after", "expires_at": 0}
    changed = await alice.ask("PATCH", path, {"role": "programmer", "model": "scripted", "pinned": True})
    assert await alice.get(path) == changed.json
    assert (changed.json["title"], changed.json["role"], changed.json["pinned"]) == ("after", "programmer", True)
    assert (await listed(alice)) == [conversation]


async def test_a_conversation_can_go_back_to_the_default_model(alice: Client) -> None:
    conversation = await alice.create(model="scripted")
    changed = await alice.ask("PATCH", f"/api/conversations/{conversation}", {"model": None})
    assert (changed.status, changed.json["model"]) == (200, None)


async def test_a_pinned_conversation_does_not_expire(alice: Client) -> None:
    conversation = await alice.create()
    path = f"/api/conversations/{conversation}"
    assert (await alice.ask("PATCH", path, {"pinned": True})).json["expires_at"] is None
    await alice.say(conversation, "hello")
    assert (await alice.get(path))["expires_at"] is None
    unpinned = (await alice.ask("PATCH", path, {"pinned": False})).json
    assert unpinned["expires_at"] == pytest.approx(time.time() + 7 * DAY_S, abs=60)


async def test_a_message_moves_the_expiry(alice: Client) -> None:
    conversation = await alice.create()
    before = await alice.get(f"/api/conversations/{conversation}")
    await alice.say(conversation, "hello")
    after = await alice.get(f"/api/conversations/{conversation}")
    assert after["updated_at"] > before["updated_at"]
    assert after["expires_at"] > before["expires_at"]
    assert after["message_count"] == 2


async def test_the_list_begins_with_the_newest_activity(alice: Client) -> None:
    first, second, third = [await alice.create() for _ in range(3)]
    assert await listed(alice) == [third, second, first]
    await alice.say(first, "hello")
    assert await listed(alice) == [first, third, second]
    turn = await alice.begin(second, "[long]")

    async def follows() -> bool:  # in a second step
        return await listed(alice) == [second, first, third]

    await until(follows)
    await alice.stop(second, turn)


async def test_pages_of_the_list_have_no_gap_and_no_double(alice: Client) -> None:
    made = list(await asyncio.gather(*(alice.create() for _ in range(25))))
    seen: list[Any] = []
    before, pages = None, 0
    while True:
        page = await alice.get("/api/conversations", limit=4, before=before)
        seen += page["conversations"]
        pages += 1
        before = page["next"]
        if before is None:
            break
        assert len(page["conversations"]) == 4
    assert pages == 7
    assert sorted(conversation["id"] for conversation in seen) == sorted(made)
    updated = [conversation["updated_at"] for conversation in seen]
    assert updated == sorted(updated, reverse=True)


async def test_a_page_that_takes_all_has_no_next(alice: Client) -> None:
    for _ in range(3):
        await alice.create()
    assert (await alice.get("/api/conversations", limit=3))["next"] is None


async def test_pages_of_messages_go_back_to_the_first(alice: Client) -> None:
    conversation = await alice.create()
    for number in range(4):
        await alice.say(conversation, f"message {number}")
    path = f"/api/conversations/{conversation}/messages"
    seen: list[Any] = []
    before = None
    while True:
        page = await alice.get(path, limit=3, before=before)
        assert page["total"] == 8
        seen = page["messages"] + seen
        before = page["next"]
        if before is None:
            break
    assert seen == await alice.messages(conversation)
    assert [message["content"] for message in seen if message["role"] == "user"] == [
        f"message {number}" for number in range(4)
    ]
    parents = [None, *(message["id"] for message in seen)]
    assert [message["parent_id"] for message in seen] == parents[:-1]
    times = [message["timestamp"] for message in seen]
    assert times == sorted(times)


async def test_the_newest_fifty_messages_are_kept(alice: Client) -> None:
    kept, pinned = await alice.create(), await alice.create()
    await alice.ask("PATCH", f"/api/conversations/{pinned}", {"pinned": True})

    async def talk(conversation: str) -> str:
        first = await alice.say(conversation, "message 0")
        for number in range(1, 27):
            await alice.say(conversation, f"message {number}")
        return str(first.turn["turn_id"])

    first_turn, _ = await asyncio.gather(talk(kept), talk(pinned))
    messages = await alice.messages(kept)
    assert [message["content"] for message in messages[::2]] == [f"message {number}" for number in range(2, 27)]
    assert (await alice.get(f"/api/conversations/{kept}"))["message_count"] == 50
    assert (await alice.get("/api/chat/history", session_id=kept, limit=1000))["total"] == 50
    gone = await alice.ask("GET", f"{turns(kept)}/{first_turn}")
    assert gone.problem == (404, "turn_not_found")
    assert len(await alice.messages(pinned)) == 54


async def test_a_deleted_conversation_is_gone(alice: Client) -> None:
    conversation, other = await alice.create(), await alice.create()
    turn = (await alice.say(conversation, "hello")).turn["turn_id"]
    deleted = await alice.ask("DELETE", f"/api/conversations/{conversation}")
    assert (deleted.status, deleted.body) == (204, b"")
    assert await listed(alice) == [other]
    for path in ("", "/messages", f"/turns/{turn}", f"/turns/{turn}/events"):
        gone = await alice.ask("GET", f"/api/conversations/{conversation}{path}")
        assert gone.problem == (404, "conversation_not_found")
    assert (await alice.send(conversation, "hello")).problem == (404, "conversation_not_found")
