"""How long conversations are kept, where the operator says otherwise than a week and fifty messages."""

from pathlib import Path

import aiohttp

from tests.conftest import SCRIPT, StartServer
from tests.support.client import Client
from tests.support.store_dump import dump, without_feeds
from tests.support.waiting import until

DAY_S = 86_400
KEPT_S = 4.0


async def test_what_has_expired_is_gone_and_what_is_pinned_stays(
    tmp_path: Path, start_server: StartServer, session: aiohttp.ClientSession
) -> None:
    server = start_server(LIANHUA_SCRIPT=str(SCRIPT), LIANHUA_RETENTION_DAYS=f"{KEPT_S / DAY_S:.9f}")
    client = Client(session, server.url, "alice")
    pinned = await client.create()
    await client.ask("PATCH", f"/api/conversations/{pinned}", {"pinned": True})
    expiring = await client.create()
    for conversation in (pinned, expiring):
        await client.say(conversation, f"sesame in {conversation}")
    assert f"sesame in {expiring}" in dump(tmp_path)

    async def is_gone() -> bool:
        return (await client.ask("GET", f"/api/conversations/{expiring}")).status == 404

    await until(is_gone, within_s=KEPT_S + 10)
    assert (await client.get("/api/conversations"))["conversations"][0]["id"] == pinned
    assert len((await client.get("/api/conversations"))["conversations"]) == 1
    assert (await client.send(expiring, "hello")).problem == (404, "conversation_not_found")
    assert len(await client.messages(pinned)) == 2
    stored = without_feeds(dump(tmp_path))
    assert f"sesame in {pinned}" in stored
    assert expiring not in stored


async def test_a_message_is_activity(start_server: StartServer, session: aiohttp.ClientSession) -> None:
    server = start_server(LIANHUA_SCRIPT=str(SCRIPT), LIANHUA_RETENTION_DAYS=f"{KEPT_S / DAY_S:.9f}")
    client = Client(session, server.url, "alice")
    conversation = await client.create()
    first = (await client.get(f"/api/conversations/{conversation}"))["expires_at"]
    sent = 0
    while (await client.get(f"/api/conversations/{conversation}"))["updated_at"] < first:
        await client.say(conversation, "[steady]")  # about a second each
        sent += 1
    assert len(await client.messages(conversation)) == 2 * sent


async def test_nothing_need_ever_be_dropped(start_server: StartServer, session: aiohttp.ClientSession) -> None:
    server = start_server(LIANHUA_SCRIPT=str(SCRIPT), LIANHUA_RETENTION_DAYS="0", LIANHUA_RETENTION_MESSAGES="0")
    client = Client(session, server.url, "alice")
    conversation = await client.create()
    assert (await client.get(f"/api/conversations/{conversation}"))["expires_at"] is None
    for number in range(26):
        await client.say(conversation, f"[think] {number}")
    assert len(await client.messages(conversation)) == 52


async def test_the_smallest_memory_still_answers(start_server: StartServer, session: aiohttp.ClientSession) -> None:
    server = start_server(LIANHUA_SCRIPT=str(SCRIPT), LIANHUA_RETENTION_MESSAGES="1", LIANHUA_CONTEXT_MESSAGES="1")
    client = Client(session, server.url, "alice")
    conversation = await client.create()
    for number in range(3):
        assert (
            await client.say(conversation, f"message {number}")
        ).text == f"echo: message {number} (turn 1: 2 messages)"
        (kept,) = await client.messages(conversation)
        assert kept["role"] == "assistant"
