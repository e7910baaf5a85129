"""The embedded server as a process: its lock, its end, and what it keeps."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from lianhua.errors import WrongSettings
from lianhua.store.child import SOCKET_PATH_BYTES, works_in
from lianhua.store.embedded import EmbeddedServer

OWNER = """
import asyncio, sys
from pathlib import Path
from lianhua.store.embedded import EmbeddedServer

async def main():
    server = EmbeddedServer(Path(sys.argv[1]))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@asynccontextmanager
async def embedded(data_dir: Path) -> AsyncIterator[EmbeddedServer]:
    server = EmbeddedServer(data_dir)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


async def put(server: EmbeddedServer, name: str) -> None:
    async with Redis(unix_socket_path=str(server.socket)) as client:
        await client.set(name, "kept")


async def has(server: EmbeddedServer, name: str) -> bool:
    async with Redis(unix_socket_path=str(server.socket)) as client:
        return bool(await client.get(name) == b"kept")


def gone(pid: int, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


async def test_what_is_written_is_there_after_a_normal_end(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path)
    await server.start()
    pid = server.pid
    assert pid is not None
    await put(server, "a")
    await server.close()
    assert gone(pid)
    async with embedded(tmp_path) as again:
        assert await has(again, "a")


async def test_an_acknowledged_write_survives_a_kill(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path)
    await server.start()
    assert server.pid is not None
    await put(server, "a")
    os.kill(server.pid, signal.SIGKILL)
    await server.close()
    async with embedded(tmp_path) as again:
        assert await has(again, "a")


async def test_a_server_that_dies_is_started_again(tmp_path: Path) -> None:
    async with embedded(tmp_path) as server:
        killed = server.pid
        assert killed is not None
        await put(server, "a")
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(10):
            while server.pid == killed or not server.socket.exists():
                await asyncio.sleep(0.05)
        async with Redis(unix_socket_path=str(server.socket), retry=Retry(ConstantBackoff(0.1), 50)) as client:
            assert await client.get("a") == b"kept"


async def test_what_was_erased_leaves_the_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lianhua.store.embedded.WATCH_S", 0.05)
    monkeypatch.setattr("lianhua.store.embedded.REWRITE_PAUSE_S", 0.0)

    def on_disk() -> bytes:
        return b"".join(file.read_bytes() for file in (tmp_path / "store" / "appendonlydir").iterdir())

    async with embedded(tmp_path) as server:
        async with Redis(unix_socket_path=str(server.socket)) as client:
            await client.set("secret", "a marker to look for")
            await client.delete("secret")
        await put(server, "b")
        assert b"a marker to look for" in on_disk()
        server.rewrite_soon()
        async with asyncio.timeout(20):
            while b"a marker to look for" in on_disk():
                await asyncio.sleep(0.05)
        assert await has(server, "b")


def test_another_process_with_the_same_id_is_not_taken_for_the_server(tmp_path: Path) -> None:
    bystander = subprocess.Popen(["sleep", "30"])
    try:
        assert not works_in(bystander.pid, tmp_path)
        (tmp_path / "store").mkdir()
        (tmp_path / "store" / "server.pid").write_text(str(bystander.pid))
        asyncio.run(start_and_close(EmbeddedServer(tmp_path)))
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


async def start_and_close(server: EmbeddedServer) -> None:
    await server.start()
    assert server.pid is not None
    assert works_in(server.pid, server.socket.parent)
    assert not works_in(server.pid, server.socket.parent.parent)
    await server.close()


async def test_two_owners_are_kept_apart(tmp_path: Path) -> None:
    async with embedded(tmp_path) as server:
        with pytest.raises(WrongSettings, match="in use by another"):
            await EmbeddedServer(tmp_path).start()
        await put(server, "still there")


async def test_it_is_private_and_off_the_network(tmp_path: Path) -> None:
    async with embedded(tmp_path) as server:
        assert server.socket.stat().st_mode & 0o077 == 0
        assert (tmp_path / "store").stat().st_mode & 0o077 == 0
        async with Redis(unix_socket_path=str(server.socket)) as client:
            config = await client.config_get("port", "appendonly", "appendfsync", "maxmemory-policy")
        assert config == {
            "port": "0",
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
        }


async def test_the_child_dies_with_an_owner_that_is_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    child = int(await asyncio.to_thread(owner.stdout.readline))
    owner.kill()
    owner.wait()
    owner.stdout.close()
    if sys.platform == "linux":
        assert gone(child)
    server = EmbeddedServer(tmp_path)
    await server.start()
    await server.close()
    assert gone(child)


async def test_a_server_without_an_owner_is_ended_before_its_files_are_opened(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path)
    await server.start()
    await put(server, "a")
    child, left_behind = server._child, server.pid
    assert child is not None
    assert left_behind is not None
    server._child = None
    server._lock.close()  # type: ignore[union-attr]
    async with embedded(tmp_path) as again:
        assert child.wait(5) == 0
        assert again.pid != left_behind
        assert await has(again, "a")


async def test_a_long_path_still_gets_a_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * SOCKET_PATH_BYTES)
    async with embedded(deep) as server:
        assert len(os.fsencode(server.socket)) <= SOCKET_PATH_BYTES
        await put(server, "a")
        with pytest.raises(WrongSettings, match="in use"):
            await EmbeddedServer(deep).start()


async def test_a_folder_that_cannot_be_made_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongSettings, match="LIANHUA_DATA_DIR"):
        await EmbeddedServer(tmp_path / "file").start()
