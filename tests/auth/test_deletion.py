"""Deleting a person erases all of theirs, whatever goes on meanwhile, in any process."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis import Redis

from lianhua.store.embedded.server import EmbeddedServer
from tests.conftest import SCRIPT
from tests.support.client import events
from tests.support.members import Member, add, cookie_in, first_admin, log_in, user_command
from tests.support.serving_process import ServingProcess
from tests.support.store_dump import dump
from tests.support.waiting import until

MARK = "zoe's-own-words"


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[ServingProcess]:
    serving = ServingProcess(
        tmp_path / "data",
        "--workers",
        "2",
        LIANHUA_AUTH="accounts",
        LIANHUA_SCRIPT=str(SCRIPT),
        LIANHUA_TITLES="message",
    )
    await serving.start()
    yield serving
    serving.clear()


async def test_nothing_is_left_of_a_person_who_is_deleted(
    session: aiohttp.ClientSession, serving: ServingProcess
) -> None:
    admin = await first_admin(session, serving.url, serving.data_dir)
    zoe = await add(admin, "zoe.w")
    done = await zoe.create(title=MARK)
    await zoe.say(done, f"hello {MARK}")
    await zoe.ask("POST", "/api/personas", {"name": MARK, "prompt": MARK})
    await zoe.ask("PATCH", "/api/settings", {"language": "en"})
    await zoe.token("chat")

    conversation = await zoe.create(title=MARK)
    turn = await zoe.begin_and_see(conversation, f"[long] {MARK}")
    readers = [asyncio.create_task(_read_to_the_end(session, serving, zoe, conversation, turn)) for _ in range(6)]
    importing = [asyncio.create_task(_import(zoe, _chats(name))) for name in ("a", "b")]
    try:
        await until(lambda: _count(serving, "zoe.w") > 20, every_s=0.3)
        deleted = await admin.ask("DELETE", "/api/admin/users/zoe.w")
        assert deleted.status == 204, deleted.body
        for reader in readers:
            await reader
        for one in importing:
            assert await one in (200, 401, 503, 0)
    finally:
        for task in (*readers, *importing):
            task.cancel()
    lines = dump(serving.data_dir).splitlines()
    assert [line for line in lines if MARK in line] == []
    assert [line for line in lines if "zoe.w" in line and "audit" not in line.partition(" ")[0]] == []
    assert (await zoe.ask("GET", "/api/auth/me")).problem == (401, "not_authenticated")
    assert (await log_in(session, serving.url, "zoe.w")).problem == (401, "login_failed")
    again = await add(admin, "zoe.w")
    assert (await again.get("/api/conversations"))["conversations"] == []


async def test_the_command_deletes_beside_a_server_and_without_one(
    session: aiohttp.ClientSession, serving: ServingProcess
) -> None:
    admin = await first_admin(session, serving.url, serving.data_dir)
    for name in ("xenia", "yorick"):
        member = await add(admin, name)
        await member.say(await member.create(), f"hello {MARK}")
    assert (await asyncio.to_thread(user_command, serving.data_dir, "delete", "xenia")).returncode == 0
    assert "xenia" not in dump(serving.data_dir)
    kept = cookie_in(await log_in(session, serving.url, "root"))
    serving.tell(signal.SIGTERM)
    await serving.ended(60)
    await serving.nothing_is_left(60)
    gone = await asyncio.to_thread(user_command, serving.data_dir, "delete", "yorick")
    assert gone.returncode == 0, gone.stderr
    await serving.start()
    assert MARK not in dump(serving.data_dir)
    assert (await admin.with_proof(kept).get("/api/auth/me"))["name"] == "root"  # a restart ends no session


async def _read_to_the_end(
    session: aiohttp.ClientSession, serving: ServingProcess, zoe: Member, conversation: str, turn: str
) -> None:
    async with zoe.stream(events(conversation, turn)) as stream:
        async for _ in stream:
            pass


async def _import(zoe: Member, chats: bytes) -> int:
    try:
        return (await zoe.ask("POST", "/api/import", BytesIO(chats))).status
    except aiohttp.ClientError:  # its connection ends with the login
        return 0


def _chats(prefix: str) -> bytes:
    """A file of ChatGPT's that takes some time to bring in."""
    return json.dumps([_chat(f"{prefix}-{number}") for number in range(3_000)]).encode()


def _chat(name: str) -> dict[str, Any]:
    nodes: dict[str, Any] = {"root": {"id": "root", "message": None, "parent": None, "children": ["m0"]}}
    for number in range(6):
        author = "user" if number % 2 == 0 else "assistant"
        nodes[f"m{number}"] = {
            "id": f"m{number}",
            "parent": f"m{number - 1}" if number else "root",
            "children": [f"m{number + 1}"] if number < 5 else [],
            "message": {
                "id": f"m{number}",
                "author": {"role": author},
                "create_time": 1.7e9 + number,
                "content": {"content_type": "text", "parts": [f"{MARK} {name} {number}"]},
            },
        }
    return {"id": name, "conversation_id": name, "title": f"{MARK} {name}", "create_time": 1.7e9,
            "update_time": 1.7e9, "current_node": "m5", "mapping": nodes}  # fmt: skip


def _count(serving: ServingProcess, name: str) -> int:
    """How many conversations are the person's, also of those that no list names."""
    with Redis(unix_socket_path=str(EmbeddedServer(serving.data_dir).socket)) as redis:
        keys = list(redis.scan_iter("lianhua:{????????-*}", count=1000))
        with redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hget(key, "owner")
            owners = pipe.execute(raise_on_error=False)
    return owners.count(name.encode())
