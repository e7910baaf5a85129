"""A backup is made while people talk, whole or not at all, and gives an empty store the same conversations."""

import asyncio
import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from lianhua.config.settings import Settings, load_settings
from lianhua.errors import WrongSettings
from lianhua.server.backup import _without, back_up, restore
from lianhua.server.backup_file import BackupRefused, End, Head, open_backup, read_backup
from lianhua.store.backup import Group, StoredKey, StoreReader, commands_of
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import ConversationKeys, list_keys
from lianhua.store.client.topology import Nodes
from lianhua.store.format_version import FORMAT, FORMAT_KEY, bring_to_format
from lianhua.store.open import open_store
from tests.conftest import SCRIPT, StartServer
from tests.support.client import Client, events
from tests.support.server_process import ServerProcess
from tests.support.waiting import HANGS_S, until

NOWHERE = Path("/nonexistent/.env")
ONE, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
IN_2096_MS = 4_000_000_000_000


def settings_for(url: str, folder: Path) -> Settings:
    return load_settings({"REDIS_URL": url, "LIANHUA_DATA_DIR": str(folder)}, NOWHERE)


async def fill(client: Redis) -> None:
    """Keys of every type, some of which expire, with bytes that are no text."""
    for conversation in (ONE, OTHER):
        keys = ConversationKeys(conversation)
        await client.hset(keys.meta, mapping={"owner": "anna", "title": "\u0000é莲", "updated_at": "1.5"})
        await client.hset(keys.messages, mapping={f"m{number}": b"\xff\x00" * 40 for number in range(3_000)})
        await client.zadd(keys.order, {"m1": 1.1234567890123457, "m2": 2})
        await client.zadd(keys.lingering, {"t1": 1})
        await client.set(keys.ngrams, bytes(range(256)))
        await client.set(keys.text("t1"), "so far")
        await client.xadd(keys.log("t1"), {"e": b"\x80", "f": "1"}, id="1-0")
        await client.xadd(keys.log("t1"), {"e": "2"}, id="1-7")
        await client.pexpireat(keys.meta, IN_2096_MS)
    listed, pinned, _ = list_keys("anna")
    await client.zadd(listed, {ONE: 1, OTHER: 2})
    await client.sadd(pinned, ONE)
    await client.rpush("lianhua:{user:anna}:later", "b", "a", "b")
    await client.sadd("lianhua:{running}", f"{ONE} t1")
    await client.set("somebody:else", "not ours")
    await client.set("lianhua:{rate:address:10.0.0.1}:turns", "of this server alone")


async def held(nodes: Nodes) -> dict[bytes, StoredKey]:
    """Everything of ours, read one key at a time."""
    database = StoreClient(nodes)
    names = {name async for some in database.names(100) for name in some}
    return {key.name: key for keys in await StoreReader(database).others(sorted(names)) for key in keys}


async def empty(nodes: Nodes) -> None:
    for node in nodes.all():
        await node.client.flushall()


async def test_every_kind_of_store_gets_back_what_it_had(
    client: Redis, nodes: Nodes, store_url: str, tmp_path: Path
) -> None:
    await fill(client)
    settings, file = settings_for(store_url, tmp_path), tmp_path / "all.backup"
    before = await held(nodes)
    end = await back_up(settings, file)
    assert (end.conversations, file.stat().st_mode & 0o777) == (2, 0o600)
    await empty(nodes)
    assert await restore(settings, file) == end
    after = await held(nodes)
    own = {
        b"lianhua:{rate:address:10.0.0.1}:turns",
        b"lianhua:{audit}",
        b"lianhua:{format}",
        b"lianhua:{backup}",
        b"lianhua:{ready}",
    }
    assert {name: key for name, key in after.items() if name not in own} == {
        name: key for name, key in before.items() if name not in own
    }
    assert len(before.keys() - own) == 2 * 7 + 4


def lianhua(folder: Path, *arguments: str) -> tuple[int, str, str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    ended = subprocess.run(
        [sys.executable, "-m", "lianhua", *arguments],
        env={**inherited, "LIANHUA_DATA_DIR": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


async def test_a_backup_made_while_turns_run_is_restored_to_the_byte(
    tmp_path: Path, start_server: StartServer, session: aiohttp.ClientSession
) -> None:
    alice = Client(session, start_server(LIANHUA_SCRIPT=str(SCRIPT)).url, "alice")
    ended, erased, running = [await alice.create() for _ in range(3)]
    await alice.say(ended, "hello 连话")
    await alice.say(erased, "sesame")
    export = (await alice.ask("GET", f"/api/conversations/{ended}/export")).body
    await alice.ask("DELETE", f"/api/conversations/{erased}")
    turn = await alice.begin_and_see(running, "[long]")
    file = tmp_path / "now.backup"
    code, said, complaint = await asyncio.to_thread(lianhua, tmp_path, "backup", str(file))
    assert code == 0, complaint
    assert "2 conversations" in said
    plain = gzip.decompress(file.read_bytes())
    assert b"hello" in plain
    assert b"sesame" not in plain
    await alice.stop(running, turn)
    kept = (await alice.messages(running))[1]["content"]

    fresh = tmp_path / "fresh"
    fresh.mkdir()
    code, said, complaint = await asyncio.to_thread(lianhua, fresh, "restore", str(file))
    assert code == 0, complaint
    restored = ServerProcess(fresh, LIANHUA_SCRIPT=str(SCRIPT))
    try:
        again = alice.at(restored.url)
        assert (await again.ask("GET", f"/api/conversations/{ended}/export")).body == export
        listed = (await again.get("/api/conversations"))["conversations"]
        assert {each["id"] for each in listed} == {ended, running}

        async def is_sealed() -> Any:
            messages = await again.messages(running)
            return len(messages) > 1 and messages[1]["status"] == "interrupted" and messages[1]

        sealed = await until(is_sealed)
        assert sealed["content"]
        assert kept.startswith(sealed["content"])
        await again.read(events(running, turn))
        assert (await again.say(ended, "and now")).end["status"] == "done"
    finally:
        restored.stop()
        restored.kill()
    code, _, complaint = await asyncio.to_thread(lianhua, fresh, "restore", str(file))
    assert (code, "not empty" in complaint) == (1, True)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bytes]:
    """The bytes of a small backup."""
    file = tmp_path_factory.mktemp("small") / "small.backup"
    write(file)
    yield file.read_bytes()


def write(file: Path, form: int = FORMAT) -> End:
    keys = [StoredKey(b"lianhua:{user:anna}:settings", "hash", -1, [b"a", b"b"])]
    with open_backup(file) as writer:
        writer.head(Head(form, "0.0", 1.0))
        writer.add(Group(ONE, [StoredKey(ConversationKeys(ONE).meta.encode(), "hash", -1, [b"owner", b"anna"])]))
        writer.add(Group("", keys))
        return writer.end()


async def test_a_file_that_is_not_whole_is_refused_and_nothing_is_written(
    client: Redis, nodes: Nodes, store_url: str, tmp_path: Path, small: bytes
) -> None:
    settings, file = settings_for(store_url, tmp_path), tmp_path / "broken.backup"
    broken = [small[:length] for length in range(0, len(small), 13)]
    # The head of gzip, 10 bytes, has fields that nobody reads.
    broken += [small[:place] + bytes([small[place] ^ 0x10]) + small[place + 1 :] for place in range(10, len(small), 7)]
    plain = gzip.decompress(small)
    broken += [gzip.compress(plain[:length]) for length in range(0, len(plain), 17)]
    broken += [gzip.compress(plain + b"x"), b"", b"hello", gzip.compress(b"hello")]
    for content in broken:
        file.write_bytes(content)
        with pytest.raises(BackupRefused) as refusal:
            await restore(settings, file)
        assert str(file) in str(refusal.value)
    assert await held(nodes) == {}


async def test_a_newer_backup_is_refused_before_anything_is_written(
    client: Redis, nodes: Nodes, store_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "newer.backup"
    write(file, FORMAT + 1)
    with pytest.raises(BackupRefused, match=f"format {FORMAT + 1}"):
        await restore(settings_for(store_url, tmp_path), file)
    assert await held(nodes) == {}


def test_a_backup_replaces_no_file(tmp_path: Path) -> None:
    file = tmp_path / "there.backup"
    file.write_text("mine")
    code, _, said = lianhua(tmp_path, "backup", str(file))
    assert (code, file.read_text()) == (1, "mine")
    assert said.startswith("lianhua: backup_refused: ")


async def test_what_is_erased_or_made_meanwhile_is_not_in_it(client: Redis, nodes: Nodes, tmp_path: Path) -> None:
    await fill(client)
    reader, file, made = StoreReader(StoreClient(nodes)), tmp_path / "meanwhile", "33333333-3333-4333-8333-333333333333"
    with open_backup(file) as writer:
        writer.head(Head(FORMAT, "0", 1.0))
        async for group in reader.groups():
            writer.add(group)
            if not reader.gone and group.conversation_id == ONE:
                await client.delete(*ConversationKeys(ONE).lasting)
                await client.zadd(list_keys("anna")[0], {made: 3})
        writer.end()
    assert reader.gone == {ONE}
    end = _without(file, reader.gone)
    groups = [record for record in read_backup(file) if isinstance(record, Group)]
    assert {group.conversation_id for group in groups} == {"", OTHER}
    assert end.conversations == 1
    listed = [key for group in groups for key in group.keys if key.name == list_keys("anna")[0].encode()]
    assert made.encode() not in listed[0].content
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_is_written_at_once_is_bounded() -> None:
    large = StoredKey(b"k", "hash", 5, [b"x" * 1_000] * 2_000)
    commands = list(commands_of(large))
    assert commands[-1] == ("PEXPIREAT", "k", 5)
    assert sum(len(command) - 2 for command in commands[:-1]) == 2_000
    assert all(len(command) < 400 for command in commands)


async def test_a_store_without_a_number_gets_one_and_a_newer_one_is_refused(
    client: Redis, nodes: Nodes, store_url: str, tmp_path: Path
) -> None:
    settings = settings_for(store_url, tmp_path)
    async with open_store(settings):
        assert int(await client.get(FORMAT_KEY)) == FORMAT
    await client.set(FORMAT_KEY, FORMAT + 1)
    with pytest.raises(WrongSettings, match="newer Lianhua") as refusal:
        async with open_store(settings):
            pass
    assert "\n" not in str(refusal.value)
    await client.set(FORMAT_KEY, "restoring")
    with pytest.raises(WrongSettings, match="broken off"):
        async with open_store(replace(settings, durability="normal")):
            pass


async def test_an_older_store_takes_each_step_once_in_order(client: Redis, nodes: Nodes) -> None:
    taken: list[int] = []

    async def first(_database: StoreClient) -> None:
        taken.append(1)

    database = StoreClient(nodes)
    await bring_to_format(database, "here", {1: first})
    await bring_to_format(database, "here", {1: first})
    assert taken == [1]
    await client.set(FORMAT_KEY, 0)
    with pytest.raises(WrongSettings, match="too old"):
        await bring_to_format(database, "here", {1: first})


def test_a_newer_store_ends_the_command_with_two_and_one_line(tmp_path: Path, start_server: StartServer) -> None:
    server = start_server(LIANHUA_SCRIPT=str(SCRIPT))
    socket = tmp_path / "store" / "server.sock"
    newer = subprocess.run(
        [sys.executable, "-c", f"import redis; redis.Redis(unix_socket_path={str(socket)!r}).set({FORMAT_KEY!r}, 99)"],
        check=True,
    )
    assert newer.returncode == 0
    assert server.stop() == 0
    for workers in ("1", "2"):
        code, out, said = lianhua(tmp_path, "serve", "--port", "0", "--workers", workers)
        assert (code, out) == (2, "")
        assert [line for line in said.splitlines() if line.startswith("lianhua: ")] == [
            line for line in said.splitlines() if "format 99" in line
        ]
