"""What is erased is gone from the store: messages, replies, events, titles, under every key."""

import asyncio
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import SCRIPT, StartServer
from tests.support.client import Client, Frame, events, turns
from tests.support.store_dump import dump, without_feeds
from tests.support.waiting import until

WAYS = {"clear": "/api/chat/history/{}", "delete": "/api/conversations/{}"}
both_ways = pytest.mark.parametrize("way", WAYS)


async def erase(client: Client, conversation: str, way: str) -> None:
    answer = await client.ask("DELETE", WAYS[way].format(conversation))
    assert answer.status == (200 if way == "clear" else 204)


async def is_gone(client: Client, path: str) -> bool:
    return (await client.ask("GET", path)).status == 404


@both_ways
async def test_nothing_of_the_text_is_left_in_the_store(alice: Client, http_data_dir: Path, way: str) -> None:
    marker = f"sesame-{alice.user}-{way}"
    conversation = await alice.create(title=f"about {marker}")
    await alice.say(conversation, f"hello {marker}")
    await alice.send(conversation, f"[think] {marker}", key=f"key-{marker}")
    await alice.say(await alice.create(), "something else")
    assert marker in dump(http_data_dir)
    await erase(alice, conversation, way)
    assert marker not in dump(http_data_dir)
    if way == "delete":
        assert conversation not in without_feeds(dump(http_data_dir))


@pytest.mark.parametrize("way", ["delete", "expire"])
async def test_no_text_of_any_kind_is_left_under_any_key(
    tmp_path: Path, start_server: StartServer, session: aiohttp.ClientSession, way: str
) -> None:
    script = tmp_path / "script.toml"
    rule = '[[reply]]\nreasoning = ["sesame thinks"]\npieces = ["sesame answers"]\n'
    script.write_text(f'[[reply]]\nwhen = "cut"\npieces = ["sesame is cut"]\nfinish = ""\n{rule}')
    kept_s = {"delete": 86_400.0, "expire": 4.0}[way]
    server = start_server(LIANHUA_SCRIPT=str(script), LIANHUA_RETENTION_DAYS=f"{kept_s / 86_400:.9f}")
    client = Client(session, server.url, "alice")
    conversation = await client.create(title="sesame titles")
    path = f"/api/conversations/{conversation}"
    said = (await client.say(conversation, "sesame asks")).turn
    await client.ask("PATCH", f"{path}/messages/{said['user_message_id']}", {"pinned": True})
    cut = (await client.say(conversation, "sesame, cut")).turn["reply_message_id"]
    bodies = [
        {"retry": said["reply_message_id"]},
        {"edit": said["user_message_id"], "message": "sesame edits"},
        {"continue": cut},
    ]
    for body in bodies:
        begun = await client.ask("POST", turns(conversation), body)
        assert begun.status == 202, begun.body
        await client.read(events(conversation, begun.json["turn_id"]))
    await client.ask("PATCH", path, {"title": "sesame renames"})
    assert dump(tmp_path).count("sesame") > 20
    if way == "delete":
        assert (await client.ask("DELETE", path)).status == 204
    else:
        await until(lambda: is_gone(client, path), within_s=kept_s + 10)
    assert "sesame" not in dump(tmp_path)
    assert (await client.get("/api/conversations", q="sesame"))["conversations"] == []


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_what_was_erased_right_before_the_end_is_in_no_file(
    tmp_path: Path, start_server: StartServer, session: aiohttp.ClientSession, workers: str
) -> None:
    server = start_server(LIANHUA_SCRIPT=str(SCRIPT), LIANHUA_WORKERS=workers)
    client = Client(session, server.url, "alice")
    conversation = await client.create(title="sesame titles")
    await client.say(conversation, "sesame asks")
    await erase(client, conversation, "delete")
    assert await asyncio.to_thread(server.stop, signal.SIGTERM) == 0
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and b"sesame" in file.read_bytes()]


@both_ways
async def test_a_running_reply_is_erased_too(alice: Client, http_data_dir: Path, way: str) -> None:
    marker = f"sesame-{alice.user}-{way}"
    conversation = await alice.create()
    turn = await alice.begin(conversation, f"[long] {marker}")
    watching = asyncio.create_task(alice.read(events(conversation, turn)))
    await alice.see(conversation, turn)
    assert "go on " in dump(http_data_dir)
    await erase(alice, conversation, way)

    frames: list[Frame] = await watching  # its viewers are let go
    assert frames[-1].name == "end"
    assert frames[-1].data["status"] == "stopped"
    stored = dump(http_data_dir)
    assert marker not in stored
    assert turn not in without_feeds(stored)
    code = "turn_not_found" if way == "clear" else "conversation_not_found"
    for path in (f"{turns(conversation)}/{turn}", events(conversation, turn)):
        assert (await alice.ask("GET", path)).problem == (404, code)


async def test_a_cleared_conversation_has_lost_its_title_and_goes_on(alice: Client) -> None:
    conversation = await alice.create(role="teacher")
    await alice.say(conversation, "hello")
    await erase(alice, conversation, "clear")
    cleared = await alice.get(f"/api/conversations/{conversation}")
    assert (cleared["title"], cleared["message_count"], cleared["running_turn_id"]) == ("", 0, None)
    assert cleared["role"] == "teacher"
    assert (await alice.say(conversation, "again")).text == "echo: again (turn 1: 2 messages)"
    assert (await alice.get(f"/api/conversations/{conversation}"))["title"] == "again"


async def test_a_request_that_is_repeated_after_clearing_brings_nothing_back(
    alice: Client, http_data_dir: Path
) -> None:
    conversation = await alice.create()
    for text, key in (("hello", f"first-{alice.user}"), ("goodbye", f"second-{alice.user}")):
        sent = await alice.send(conversation, text, key=key)
        await alice.read(sent.json["events_url"])
    await erase(alice, conversation, "clear")
    await erase(alice, conversation, "clear")
    stored = dump(http_data_dir)
    for text, key in (("hello", f"first-{alice.user}"), ("goodbye", f"second-{alice.user}")):
        assert key not in stored
        assert (await alice.send(conversation, text, key=key)).problem == (410, "message_erased")
        assert (await alice.send(conversation, "another", key=key)).problem == (422, "idempotency_mismatch")
        query = {"session_id": conversation, "message": text, "turn_key": key}
        assert (await alice.ask("GET", "/chat/stream", **query)).problem == (410, "message_erased")
    assert await alice.messages(conversation) == []
    assert (await alice.say(conversation, "hello")).text  # said anew


async def test_a_deletion_may_be_repeated_by_its_owner(alice: Client, bob: Client, http_data_dir: Path) -> None:
    conversation, path = await alice.create(), "/api/conversations/{}"
    await erase(alice, conversation, "delete")
    await erase(alice, conversation, "delete")
    assert (await bob.ask("DELETE", path.format(conversation))).problem == (404, "conversation_not_found")
    assert (await alice.ask("GET", path.format(conversation))).problem == (404, "conversation_not_found")
    cleared = await alice.ask("DELETE", WAYS["clear"].format(conversation))
    assert cleared.problem == (404, "conversation_not_found")
    assert conversation not in without_feeds(dump(http_data_dir))


async def test_clearing_at_the_same_time_as_sending_leaves_one_or_the_other(alice: Client) -> None:
    conversation = await alice.create()
    for number in range(10):
        sent, _ = await asyncio.gather(alice.send(conversation, f"hello {number}"), erase(alice, conversation, "clear"))
        assert sent.status == 202
        if (running := await alice.ask("GET", sent.json["events_url"])).status == 200:
            assert running.body
        messages = await alice.messages(conversation)
        assert [message["role"] for message in messages] in ([], ["user", "assistant"])
        await erase(alice, conversation, "clear")
