"""The embedded server as a process: its lock, its end, and what it keeps."""

import asyncio
import errno
import os
import shutil
import signal
import socket
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
from lianhua.store.embedded import tail
from lianhua.store.embedded.process import SOCKET_PATH_BYTES, server_binary, socket_path, works_in
from lianhua.store.embedded.rewrite import RewriteTimes, remove_unfinished
from lianhua.store.embedded.server import REWRITE_TIMES, EmbeddedServer
from tests.support.store_dump import gone as has_ended
from tests.support.waiting import until, wait_until

OWNER = """
import asyncio, sys
from pathlib import Path
from lianhua.store.embedded.server import EmbeddedServer

async def main():
    server = EmbeddedServer(Path(sys.argv[1]))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@asynccontextmanager
async def embedded(data_dir: Path, times: RewriteTimes = REWRITE_TIMES) -> AsyncIterator[EmbeddedServer]:
    server = EmbeddedServer(data_dir, times)
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


def gone(pid: int) -> bool:
    """Waits for the end of a process."""
    return wait_until(lambda: has_ended(pid), within_s=5)


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
        await until(lambda: server.pid != killed and server.socket.exists())
        async with Redis(unix_socket_path=str(server.socket), retry=Retry(ConstantBackoff(0.1), 50)) as client:
            assert await client.get("a") == b"kept"


async def left_by_a_kill(tmp_path: Path) -> Path:
    """The file of a server that was killed when it had kept `a`, and `b` and `c` by one script."""
    server = EmbeddedServer(tmp_path)
    await server.start()
    assert server.pid is not None
    await put(server, "a")
    async with Redis(unix_socket_path=str(server.socket)) as client:
        await client.eval("redis.call('SET', 'b', 'kept') redis.call('SET', 'c', 'kept')", 0)
    os.kill(server.pid, signal.SIGKILL)
    await server.close()
    (file,) = tail.files(tmp_path / "store")
    return file


def copies(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "store").glob("*.before-cut-*"))


@pytest.mark.parametrize("zeros", [1, 4096, 3 * tail.BLOCK_BYTES])
async def test_zeros_that_a_power_cut_has_left_are_cut_and_said(
    tmp_path: Path, zeros: int, caplog: pytest.LogCaptureFixture
) -> None:
    file = await left_by_a_kill(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole + bytes(zeros))
    async with embedded(tmp_path) as again:
        assert [await has(again, name) for name in "abc"] == [True] * 3
        (copy,) = copies(tmp_path)
        assert copy.read_bytes() == whole + bytes(zeros)
        assert copy.stat().st_mode & 0o077 == 0
    assert f"{zeros} zero bytes" in caplog.text
    assert str(copy) in caplog.text
    async with embedded(tmp_path) as once_more:
        assert await has(once_more, "a")
        assert copies(tmp_path) == [copy]


async def test_a_file_of_nothing_but_zeros_is_an_empty_one(tmp_path: Path) -> None:
    file = await left_by_a_kill(tmp_path)
    file.write_bytes(bytes(10_000))
    async with embedded(tmp_path) as again:
        assert not await has(again, "a")
        await put(again, "d")
    async with embedded(tmp_path) as once_more:
        assert await has(once_more, "d")


@pytest.mark.parametrize("program", ["valkey", "redis"])
@pytest.mark.parametrize("padding", [b"", bytes(4096)], ids=["", "and zeros"])
async def test_what_is_written_after_a_script_that_broke_off_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, padding: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    binary = server_binary() if program == "valkey" else Path(str(shutil.which("redis-server")))
    monkeypatch.setattr("lianhua.store.embedded.server.server_binary", lambda: binary)
    file = await left_by_a_kill(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[:-5] + padding)
    server = EmbeddedServer(tmp_path)
    await server.start()
    assert [await has(server, name) for name in "abc"] == [True, False, False]
    await put(server, "d")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.close()
    async with embedded(tmp_path) as again:
        assert [await has(again, name) for name in "abcd"] == [True, False, False, True]
    assert "a command that broke off" in caplog.text
    (copy,) = copies(tmp_path)
    assert copy.read_bytes() == whole[:-5] + padding


async def test_every_place_where_a_file_can_break_off_is_started_from(tmp_path: Path) -> None:
    file = await left_by_a_kill(tmp_path)
    whole = file.read_bytes()
    begin = whole.index(b"MULTI")
    for end in range(begin, len(whole), 37):
        file.write_bytes(whole[:end] + bytes(512))
        (cut,) = tail.mend(tmp_path / "store")
        assert cut.zeros == 512
        assert file.read_bytes() == whole[:end]
        assert cut.torn == (not whole[:end].endswith(b"\r\n"))
    file.write_bytes(whole)
    assert tail.mend(tmp_path / "store") == []


async def test_a_copy_goes_with_the_next_erasure(tmp_path: Path) -> None:
    file = await left_by_a_kill(tmp_path)
    file.write_bytes(file.read_bytes() + bytes(100))
    async with embedded(tmp_path) as server:
        assert copies(tmp_path)
        server.rewrite_soon()
        assert copies(tmp_path) == []


async def test_a_copy_is_kept_for_a_week(tmp_path: Path) -> None:
    file = await left_by_a_kill(tmp_path)
    file.write_bytes(file.read_bytes() + bytes(100))
    async with embedded(tmp_path):
        pass
    (copy,) = copies(tmp_path)
    for age_s, kept in ((tail.KEPT_S - 60, [copy]), (tail.KEPT_S + 60, [])):
        os.utime(copy, (time.time() - age_s,) * 2)
        tail.forget_copies(tmp_path / "store")
        assert copies(tmp_path) == kept


MARKER = "a marker to look for"
AT_ONCE = RewriteTimes(after_start_s=0.0, pause_s=0.0)
NEVER = RewriteTimes(after_start_s=3600.0, close_s=0.0)


def on_disk(data_dir: Path) -> str:
    return "".join(file.read_text(errors="replace") for file in (data_dir / "store").rglob("*") if file.is_file())


async def forgotten(data_dir: Path) -> None:
    await until(lambda: MARKER not in on_disk(data_dir))


async def erase(server: EmbeddedServer) -> None:
    async with Redis(unix_socket_path=str(server.socket)) as client:
        await client.set("secret", MARKER)
        await client.delete("secret")
    await put(server, "b")
    server.rewrite_soon()


async def test_what_was_erased_leaves_the_file_too(tmp_path: Path) -> None:
    async with embedded(tmp_path, AT_ONCE) as server:
        await erase(server)
        await forgotten(tmp_path)
        assert await has(server, "b")


async def test_what_was_erased_right_before_the_end_leaves_the_file_with_it(tmp_path: Path) -> None:
    async with embedded(tmp_path) as server:
        await erase(server)
        assert MARKER in on_disk(tmp_path)
    assert MARKER not in on_disk(tmp_path)
    async with embedded(tmp_path) as again:
        assert await has(again, "b")


@pytest.mark.parametrize("end", ["in order", "killed"])
async def test_what_an_earlier_run_left_in_the_file_leaves_it_after_the_start(tmp_path: Path, end: str) -> None:
    async with embedded(tmp_path, NEVER) as server:
        await erase(server)
        if end == "killed" and server.pid:
            os.kill(server.pid, signal.SIGKILL)
    assert MARKER in on_disk(tmp_path)
    async with embedded(tmp_path, AT_ONCE) as again:
        await forgotten(tmp_path)
        assert await has(again, "b")


async def test_a_rewrite_that_failed_is_made_again(tmp_path: Path) -> None:
    async with embedded(tmp_path, RewriteTimes(after_start_s=0.0, pause_s=0.5)) as server:
        async with Redis(unix_socket_path=str(server.socket)) as client:
            await client.config_set(
                "rdb-key-save-delay", 1_000_000
            )  # us a key: a rewrite takes long enough to be killed
            await erase(server)
            os.kill(await until(lambda: rewriting_child(server)), signal.SIGKILL)
            assert MARKER in on_disk(tmp_path)
            await client.config_set("rdb-key-save-delay", 0)
        await forgotten(tmp_path)


def rewriting_child(server: EmbeddedServer) -> int | None:
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return int(children[0]) if children else None


async def test_what_a_killed_rewrite_left_is_removed_before_the_start(tmp_path: Path) -> None:
    async with embedded(tmp_path) as server:
        await put(server, "a")
    folder = tmp_path / "store"
    left = [
        folder / "temp-rewriteaof-4711.aof",
        folder / "temp-rewriteaof-bg-4711.aof",
        folder / "appendonlydir" / "temp-appendonly.aof.manifest",
        folder / "appendonlydir" / "appendonly.aof.99.base.rdb",  # moved there, and killed before the manifest named it
    ]
    for file in left:
        file.write_text(MARKER)
    async with embedded(tmp_path) as again:
        assert not [file for file in left if file.exists()]
        assert await has(again, "a")


async def test_a_manifest_that_is_not_understood_removes_nothing(tmp_path: Path) -> None:
    files = tmp_path / "appendonlydir"
    files.mkdir()
    (files / "appendonly.aof.manifest").write_text("file elsewhere.aof seq 1 type b\n")
    (files / "appendonly.aof.1.base.rdb").write_text(MARKER)
    remove_unfinished(tmp_path, files)
    assert (files / "appendonly.aof.1.base.rdb").exists()


def test_a_folder_that_takes_no_sockets_is_served_from_a_private_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class RefusingSocket(socket.socket):
        def bind(self, _address: object) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")  # what Linux says on exFAT

    assert socket_path(tmp_path) == tmp_path / "server.sock"
    monkeypatch.setattr(socket, "socket", RefusingSocket)
    private = socket_path(tmp_path)
    assert private.parent.stat().st_mode & 0o077 == 0
    assert not private.is_relative_to(tmp_path)
    assert not list(tmp_path.iterdir())
    private.parent.rmdir()


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
