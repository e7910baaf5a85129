"""Who did what, from where and when: written down where it happens, read as lines of JSON, without any text."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from redis.asyncio import Redis

from lianhua.store.audit import AuditLog, conversation_mark
from lianhua.store.client.client import StoreClient
from lianhua.store.client.topology import Nodes
from tests.conftest import SCRIPT
from tests.support.client import Client
from tests.support.server_process import ServerProcess
from tests.support.waiting import HANGS_S


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audited")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(
        folder,
        LIANHUA_SCRIPT=str(SCRIPT),
        LIANHUA_METRICS_TOKEN="sesame-is-a-secret-token",
        LIANHUA_ALLOWED_ORIGINS="https://chat.example.org",
    )
    yield server
    server.stop()
    server.kill()


def command(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-m", "lianhua", *arguments],
        env={**environment, "LIANHUA_DATA_DIR": str(folder)},
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )


async def audited(folder: Path) -> list[dict[str, Any]]:
    out, _ = await asyncio.to_thread(command(folder, "audit").communicate, timeout=HANGS_S)
    return [json.loads(line) for line in out.splitlines()]


async def test_what_was_done_is_found_with_who_and_from_where(
    alice: Client, server: ServerProcess, folder: Path
) -> None:
    alice = alice.at(server.url)
    conversation = await alice.create(title="sesame")
    await alice.say(conversation, "sesame")
    one = await alice.ask("GET", f"/api/conversations/{conversation}/export")
    await alice.ask("HEAD", "/api/export")
    every = await alice.ask("GET", "/api/export")
    await alice.ask("DELETE", f"/api/chat/history/{conversation}")
    await alice.ask("DELETE", f"/api/conversations/{conversation}")
    assert (await alice.ask("POST", "/api/import", every.body)).status == 200
    out, _ = await asyncio.to_thread(command(folder, "backup", str(folder / "b")).communicate, timeout=HANGS_S)
    assert "conversations" in out
    events = await audited(folder)
    assert [event["action"] for event in events] == ["start", "export", "export", "erase", "erase", "import", "backup"]
    mark = conversation_mark(conversation)
    assert [event.get("target") for event in events] == [None, mark, None, mark, mark, None, None]
    for event in events[1:6]:
        assert (event["user"], event["address"]) == (alice.user, "127.0.0.1")
    assert events[1]["request_id"] == one.headers["X-Request-ID"]
    assert events[5]["detail"]["conversations"] == 1
    assert events[6]["user"].startswith("system:")
    settings = events[0]["detail"]
    assert settings["LIANHUA_METRICS_TOKEN"] == "set"
    assert settings["LIANHUA_ALLOWED_ORIGINS"] == "https://chat.example.org"
    said = json.dumps(events)
    assert "sesame" not in said
    assert conversation not in said
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)


async def test_events_to_come_are_followed(alice: Client, server: ServerProcess, folder: Path) -> None:
    following = command(folder, "audit", "--follow")
    assert following.stdout is not None
    out: IO[str] = following.stdout
    try:
        assert json.loads(await asyncio.to_thread(out.readline))["action"] == "start"
        conversation = await alice.at(server.url).create()
        await alice.at(server.url).ask("DELETE", f"/api/conversations/{conversation}")
        async with asyncio.timeout(HANGS_S):
            while json.loads(await asyncio.to_thread(out.readline)).get("target") != conversation_mark(conversation):
                pass
    finally:
        following.kill()
        following.communicate()


async def test_every_kind_of_store_keeps_events_in_order_and_within_bounds(client: Redis, nodes: Nodes) -> None:
    log = AuditLog(StoreClient(nodes))
    for number in range(1_100):  # more than two pages
        await log.record("login", user=f"user-{number}", address="10.0.0.1", reason="x" * 1_000)
    events = [event async for _, event in log.all()]
    assert [event.user for event in events] == [f"user-{number}" for number in range(1_100)]
    assert all(len(str(event.detail["reason"])) == 300 for event in events)
    (newest, _), *_ = await log.page((await log.page("0-0"))[-1][0])
    assert [event.user async for _, event in log.all(newest)] == [f"user-{number}" for number in range(501, 1_100)]


async def test_an_event_that_was_written_twice_is_one(client: Redis, nodes: Nodes) -> None:
    log = AuditLog(StoreClient(nodes))
    await log.record("logout", user="anna")
    ((_, fields),) = await client.xrange("lianhua:{audit}")
    await client.xadd("lianhua:{audit}", fields)
    assert [event.user async for _, event in log.all()] == ["anna"]
