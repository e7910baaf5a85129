"""A Valkey server of our own: a child process on a private Unix socket, its files under the data directory.

One owner at a time (a lock file), nothing on TCP, every write on disk before it is acknowledged. The child ends with
its owner; one that outlived an owner that was killed is shut down in order before its files are opened again.
"""

import asyncio
import errno
import fcntl
import logging
import os
import shutil
import signal
import time
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import IO, Final, Literal

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError

from lianhua.errors import StoreUnavailable, WrongSettings
from lianhua.store.embedded import tail
from lianhua.store.embedded.process import server_binary, socket_path, spawn, works_in
from lianhua.store.embedded.rewrite import AofRewrite, RewriteTimes, has_incremental, remove_unfinished

logger = logging.getLogger(__name__)

START_TIMEOUT_S: Final = 20.0  # of silence: while it loads its file it says so and is waited for
CANCEL_AGAIN_S: Final = 0.5
STOP_TIMEOUT_S: Final = 2.0  # then it is killed, which loses nothing: every acknowledged write is on disk
LEFTOVER_TIMEOUT_S: Final = 10.0
WATCH_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0  # between two starts of a server that does not stay up
FILES_FOLDER: Final = "appendonlydir"  # below the working directory; the server's default
HEAL_TIMEOUT_S: Final = 60.0  # for a rewrite of the file after its end was cut
COPIES_LOOK_S: Final = 3_600.0
ROOM_BYTES: Final = 16 * 1024 * 1024  # less free than this, and the disk is the likely reason for a server's end
REWRITE_TIMES: Final = RewriteTimes()


class InUse(WrongSettings):
    """Another process owns the data directory."""


class EmbeddedServer:
    """The server of one data directory. `start` it once, `close` it once."""

    def __init__(self, data_dir: Path, times: RewriteTimes = REWRITE_TIMES, *, memory_bytes: int | None = None) -> None:
        """`memory_bytes`: past this the server refuses what would take more. None: it has no bound."""
        self._dir = data_dir / "store"
        self.socket = socket_path(self._dir)
        self._times = times
        self._memory_bytes = memory_bytes
        self._lock: IO[str] | None = None
        self._child: Popen[bytes] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._rewrite = AofRewrite(self.socket, times)

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._child.pid if self._child else None

    def rewrite_soon(self) -> None:
        """A text was erased: its file is to forget it too, within a minute or so."""
        self._rewrite.want()
        tail.forget_copies(self._dir, 0)

    async def start(self) -> None:
        """Takes the lock, ends what an owner before us left, starts the server and waits until it answers.

        Raises `InUse` when another process owns the directory, `WrongSettings` when it cannot be written,
        `StoreUnavailable` when the server does not come up.
        """
        self._take_lock()
        try:
            await self._end_leftover()
            self._prepare()
            binary = server_binary()
            await self._launch(binary)
        except BaseException:
            await self.close()
            raise
        self._watching = asyncio.create_task(self._watch(binary), name="embedded store")

    async def close(self) -> None:
        """Ends the server in order and gives up the lock. Harmless when repeated."""
        if self._watching:
            while not self._watching.done():
                # The driver may lose a cancellation that comes while it closes a connection.
                self._watching.cancel()
                await asyncio.wait([self._watching], timeout=CANCEL_AGAIN_S)
            self._watching = None
            if self._child and self._child.poll() is None:
                await self._rewrite.finish()
        child, self._child = self._child, None
        if child and child.poll() is None:
            child.terminate()
            try:
                await asyncio.to_thread(child.wait, STOP_TIMEOUT_S)
            except TimeoutExpired:
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
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            if self._lock:
                self._lock.close()
                self._lock = None
            if exc.errno in (errno.EWOULDBLOCK, errno.EACCES) and (self._dir / "owner.lock").exists():
                raise InUse(f"LIANHUA_DATA_DIR: {self._dir.parent} is in use by another lianhua") from exc
            raise WrongSettings(f"LIANHUA_DATA_DIR: cannot write to {self._dir} ({exc.strerror})") from exc

    def _prepare(self) -> None:
        """The files are ours and no server runs: what an earlier run left behind is taken care of."""
        files = self._dir / FILES_FOLDER
        self.socket = socket_path(self._dir)
        self._rewrite = AofRewrite(self.socket, self._times)
        try:
            remove_unfinished(self._dir, files)
            if has_incremental(files):
                self._rewrite.want()
        except OSError as exc:
            raise WrongSettings(f"LIANHUA_DATA_DIR: cannot read or clean {files} ({exc.strerror})") from exc

    async def _launch(self, binary: Path) -> None:
        """Starts the server on its files, whatever a power cut has left at their ends, and waits until it answers."""
        written = await asyncio.to_thread(self._mend)
        self._spawn(binary)
        await self._wait_until_ready()
        if await asyncio.to_thread(tail.length, self._dir) < written:
            logger.warning("the end of the embedded store's file was cut; the file is written anew")
            await self._heal()

    def _mend(self) -> int:
        """Cuts what the server would not start with; how many bytes there are for it to read."""
        try:
            tail.forget_copies(self._dir)
            for cut in tail.mend(self._dir):
                logger.warning("%s ended with %s, as after a power cut: cut off. %s", cut.file, cut.what, cut.kept)
            return tail.length(self._dir)
        except OSError as exc:
            raise StoreUnavailable(f"the embedded store's files cannot be put right ({exc.strerror})") from exc

    async def _heal(self) -> None:
        """Has the file written anew, and waits for it a while.

        A server before Valkey 8.0.11, 8.1.10, 9.0.6 and 9.1.2 and any Redis cuts a file that breaks off within a
        transaction behind its MULTI, and so takes whatever it appends for a part of that: the next start throws it
        away (valkey-io/valkey pull request 4342). In a new file there is no such rest.
        """
        self._rewrite.want()
        if not await self._rewrite.met(HEAL_TIMEOUT_S):
            logger.error("the embedded store's file is not yet written anew; %s", self._likely_reason())

    def _spawn(self, binary: Path) -> None:
        try:
            self._child = spawn(binary, self._dir, self.socket, self._memory_bytes)
            self._pid_file.write_text(f"{self._child.pid}\n")
        except OSError as exc:
            raise StoreUnavailable(f"the embedded store cannot be started ({exc.strerror})") from exc

    async def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._child is None or self._child.poll() is not None:
                raise StoreUnavailable(f"the embedded store ended at once; {self._likely_reason()}")
            answer = await answers(self.socket)
            if answer == "yes":
                return
            if answer == "loading":
                deadline = time.monotonic() + START_TIMEOUT_S
            await asyncio.sleep(0.01)
        raise StoreUnavailable(f"the embedded store did not answer within {START_TIMEOUT_S:.0f} s")

    def _likely_reason(self) -> str:
        try:
            free = shutil.disk_usage(self._dir).free
        except OSError as exc:
            return f"{self._dir} cannot be read ({exc.strerror})"
        return f"the disk of {self._dir} is full" if free < ROOM_BYTES else f"see {self._dir / 'server.log'}"

    async def _watch(self, binary: Path) -> None:
        """Starts a server that died again (every acknowledged write is in its file), and keeps the file fresh."""
        pause_s = WATCH_S
        looked = time.monotonic()
        while True:
            await asyncio.sleep(pause_s)
            if time.monotonic() - looked > COPIES_LOOK_S:
                tail.forget_copies(self._dir)
                looked = time.monotonic()
            if self._child is None or self._child.poll() is None:
                pause_s = WATCH_S
                await self._rewrite.advance()
                continue
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            self._rewrite.restarted()
            logger.error(
                "the embedded store ended (%d): %s; it is started again", self._child.returncode, self._likely_reason()
            )
            try:
                await self._launch(binary)
            except StoreUnavailable as exc:
                logger.error("%s; the next try comes in %.0f s", exc, pause_s)
            except Exception:  # whatever it is, without this task the store would never come back
                logger.exception("the embedded store cannot be started; the next try comes in %.0f s", pause_s)

    async def _end_leftover(self) -> None:
        """Ends a server that outlived its owner. We hold the lock, so whatever still runs on these files has no
        owner.
        """
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return
        deadline = time.monotonic() + LEFTOVER_TIMEOUT_S
        while works_in(pid, self._dir):
            late = time.monotonic() > deadline
            logger.warning("ending the store that a killed lianhua left behind (process %d)", pid)
            try:
                os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
            except ProcessLookupError:
                return
            await asyncio.sleep(0.2)


async def answers(socket: Path) -> Literal["yes", "loading", "no"]:
    """Whether a server answers on the socket, or is still reading its file."""
    once = Retry(NoBackoff(), 0)
    try:
        async with Redis(unix_socket_path=str(socket), socket_timeout=STOP_TIMEOUT_S, retry=once) as client:
            await client.ping()
    except BusyLoadingError:
        return "loading"
    except (RedisError, OSError):
        return "no"
    return "yes"
