"""The tutorial's five calls, with `/api` in front and without."""

import asyncio
import re
from typing import Any

import pytest

from tests.support.client import Client, events, shown, text_of

WELCOME = "你好！我是你的AI助手，有什么可以帮助你的吗？"
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

both = pytest.mark.parametrize("prefix", ["/api", ""])


async def started(client: Client, prefix: str = "/api", **query: Any) -> str:
    answer = await client.ask("POST", f"{prefix}/chat/start", **query)
    assert answer.status == 200
    return str(answer.json["session_id"])


async def history(client: Client, session_id: str, **query: Any) -> list[Any]:
    return list((await client.get("/api/chat/history", session_id=session_id, **query))["messages"])


@both
async def test_a_start_gives_a_session_and_a_welcome(alice: Client, prefix: str) -> None:
    answer = await alice.ask("POST", f"{prefix}/chat/start")
    assert answer.status == 200
    assert answer.json.keys() == {"session_id", "welcome_message"}
    assert answer.json["welcome_message"] == WELCOME
    assert UUID4.fullmatch(answer.json["session_id"])


async def test_the_welcome_follows_role_and_language(alice: Client) -> None:
    english = await alice.ask("POST", "/chat/start", headers={"Accept-Language": "en-GB,zh;q=0.5"})
    assert english.json["welcome_message"].startswith("Hello")
    teacher = await alice.ask("POST", "/chat/start", role="teacher")
    assert "老师" in teacher.json["welcome_message"]


@both
async def test_a_message_is_streamed_and_remembered(alice: Client, prefix: str) -> None:
    session_id = await started(alice, prefix)
    frames = await alice.read(f"{prefix}/chat/stream", session_id=session_id, message="你好 & 再见?", role="assistant")
    pieces = [frame.data["content"] for frame in frames if frame.name == ""]
    assert "".join(pieces) == "echo: 你好 & 再见? (turn 1: 2 messages)"
    assert len(pieces) > 1

    remembered = await alice.get(f"{prefix}/chat/history", session_id=session_id)
    assert remembered.keys() == {"messages", "total"}
    assert remembered["total"] == 2
    assert [(m["role"], m["content"]) for m in remembered["messages"]] == [
        ("user", "你好 & 再见?"),
        ("assistant", "".join(pieces)),
    ]
    assert all(isinstance(m["timestamp"], float) for m in remembered["messages"])


@both
async def test_the_next_message_is_given_what_was_said_before(alice: Client, prefix: str) -> None:
    session_id = await started(alice, prefix)
    await alice.read(f"{prefix}/chat/stream", session_id=session_id, message="one")
    frames = await alice.read(f"{prefix}/chat/stream", session_id=session_id, message="two")
    assert shown(frames).text == "echo: two (turn 2: 4 messages)"


async def test_history_gives_the_newest_messages_oldest_first(alice: Client) -> None:
    session_id = await started(alice)
    for number in range(3):
        await alice.read("/chat/stream", session_id=session_id, message=f"message {number}")
    body = await alice.get("/chat/history", session_id=session_id, limit=3)
    assert body["total"] == 6
    assert [message["content"][:15] for message in body["messages"]] == [
        "echo: message 1",
        "message 2",
        "echo: message 2",
    ]


@both
async def test_a_cleared_session_is_empty_and_goes_on(alice: Client, prefix: str) -> None:
    session_id = await started(alice, prefix)
    await alice.read(f"{prefix}/chat/stream", session_id=session_id, message="one")
    cleared = await alice.ask("DELETE", f"{prefix}/chat/history/{session_id}")
    assert (cleared.status, cleared.json) == (200, {"message": "对话历史已清除"})
    assert await alice.get(f"{prefix}/chat/history", session_id=session_id) == {"messages": [], "total": 0}
    frames = await alice.read(f"{prefix}/chat/stream", session_id=session_id, message="two")
    assert shown(frames).text == "echo: two (turn 1: 2 messages)"


@both
async def test_the_roles_are_the_tutorials_three(alice: Client, prefix: str) -> None:
    body = await alice.get(f"{prefix}/roles")
    assert body.keys() == {"roles", "default_role"}
    assert body["default_role"] == "assistant"
    assert {"assistant", "teacher", "programmer"} <= body["roles"].keys()
    for role in body["roles"].values():
        assert {"name", "icon", "description", "prompt"} <= role.keys()
        assert all(role[field] for field in ("name", "icon", "description", "prompt"))


async def test_a_role_is_kept_for_the_next_message(alice: Client) -> None:
    session_id = await started(alice)
    await alice.read("/chat/stream", session_id=session_id, message="one", role="programmer")
    await alice.read("/chat/stream", session_id=session_id, message="two")
    personas = [m["persona"] for m in await history(alice, session_id) if m["role"] == "assistant"]
    assert personas == ["programmer", "programmer"]


# A browser's EventSource comes back by itself


async def test_the_same_message_again_joins_the_running_reply(alice: Client) -> None:
    session_id = await started(alice)
    ask: dict[str, Any] = {"session_id": session_id, "message": "[steady]", "role": "assistant"}
    first, second = await asyncio.gather(alice.read("/chat/stream", **ask), alice.read("/chat/stream", **ask))
    assert first == second
    assert len(await history(alice, session_id)) == 2


async def test_another_message_while_a_reply_runs_is_refused(alice: Client) -> None:
    session_id = await started(alice)
    turn = await alice.begin(session_id, "[long]")
    for message, role in (("hello", None), ("[long]", "teacher")):
        refused = await alice.ask("GET", "/chat/stream", session_id=session_id, message=message, role=role)
        assert refused.problem == (409, "turn_in_progress")
        assert refused.json["running_turn_id"] == turn
    await alice.stop(session_id, turn)
    assert len(await history(alice, session_id)) == 2


async def test_the_same_message_after_the_reply_is_a_new_turn(alice: Client) -> None:
    session_id = await started(alice)
    for _ in range(2):
        await alice.read("/chat/stream", session_id=session_id, message="hello")
    assert len(await history(alice, session_id)) == 4


async def test_a_turn_key_never_starts_a_second_turn(alice: Client) -> None:
    session_id = await started(alice)
    ask: dict[str, Any] = {"session_id": session_id, "message": "hello", "turn_key": "k-1"}
    first = await alice.read("/chat/stream", **ask)
    assert await alice.read("/chat/stream", **ask) == first
    assert len(await history(alice, session_id)) == 2
    other = await alice.ask("GET", "/chat/stream", **{**ask, "message": "bye"})
    assert other.problem == (422, "idempotency_mismatch")


async def test_a_reconnect_goes_on_where_it_was(alice: Client) -> None:
    session_id = await started(alice)
    ask: dict[str, Any] = {"session_id": session_id, "message": "[steady]"}
    async with alice.stream("/chat/stream", **ask) as stream:
        seen = await stream.until(lambda frames: len(frames) >= 4)
    rest = await alice.read("/chat/stream", last_event_id=seen[-1].id, **ask)
    whole = shown(seen + rest)
    assert [m["content"] for m in await history(alice, session_id)] == ["[steady]", whole.text]


async def test_a_reconnect_after_the_end_has_to_stay_away(alice: Client) -> None:
    session_id = await started(alice)
    frames = await alice.read("/chat/stream", session_id=session_id, message="hello")
    again = await alice.ask(
        "GET", "/chat/stream", headers={"Last-Event-ID": frames[-1].id}, session_id=session_id, message="hello"
    )
    assert (again.status, again.body) == (204, b"")
    assert len(await history(alice, session_id)) == 2


async def test_a_reconnect_with_a_foreign_id_starts_nothing(alice: Client) -> None:
    session_id = await started(alice)
    again = await alice.ask(
        "GET", "/chat/stream", headers={"Last-Event-ID": "42"}, session_id=session_id, message="hello"
    )
    assert again.status == 204
    assert await history(alice, session_id) == []


async def test_a_reconnect_with_a_foreign_id_sees_the_running_reply(alice: Client) -> None:
    session_id = await started(alice)
    turn = await alice.begin_and_see(session_id, "[long]")
    async with alice.stream("/chat/stream", last_event_id="42", session_id=session_id, message="other") as stream:
        frames = await stream.until(lambda frames: len(frames) >= 4)
    assert [frame.name for frame in frames] == ["turn", "snapshot", "", ""]
    assert frames[0].data["turn_id"] == turn
    await alice.stop(session_id, turn)
    assert (await history(alice, session_id))[1]["content"].startswith(text_of(frames))


async def test_a_reconnect_to_another_conversations_turn_finds_nothing(alice: Client) -> None:
    mine, other = await started(alice), await started(alice)
    frames = await alice.read("/chat/stream", session_id=other, message="hello")
    answer = await alice.ask("GET", "/chat/stream", headers={"Last-Event-ID": frames[1].id}, session_id=mine)
    assert answer.problem == (404, "turn_not_found")


async def test_without_a_message_there_is_nothing_to_stream(alice: Client) -> None:
    answer = await alice.ask("GET", "/chat/stream", session_id=await started(alice))
    assert answer.problem == (422, "invalid_request")
    assert [error["field"] for error in answer.json["errors"]] == ["message"]


# The one GET that changes something


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
    ],
)
async def test_another_sites_page_cannot_start_a_reply(alice: Client, headers: dict[str, str]) -> None:
    session_id = await started(alice)
    for prefix in ("", "/api"):
        refused = await alice.ask(
            "GET", f"{prefix}/chat/stream", headers=headers, session_id=session_id, message="hello"
        )
        assert refused.problem == (403, "cross_site")
    assert await history(alice, session_id) == []


@pytest.mark.parametrize("site", ["same-origin", "none"])
async def test_our_own_page_and_the_address_bar_may_start_a_reply(alice: Client, site: str) -> None:
    session_id = await started(alice)
    headers = {"Sec-Fetch-Site": site, "Origin": alice.url}
    async with alice.stream("/chat/stream", headers=headers, session_id=session_id, message="hello") as stream:
        assert shown([frame async for frame in stream]).end["status"] == "done"


async def test_a_reply_goes_on_when_its_reader_leaves(alice: Client) -> None:
    session_id = await started(alice)
    async with alice.stream("/chat/stream", session_id=session_id, message="[steady]") as stream:
        first = await stream.until(lambda frames: len(frames) == 2)
    whole = shown(await alice.read(events(session_id, first[0].turn_id)))
    assert whole.end["status"] == "done"
    assert (await history(alice, session_id))[1]["content"] == whole.text
