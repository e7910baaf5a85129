"""When the embedded server writes its append-only file anew, so that the file forgets what was erased or has expired.

An erasure is a command at the end of the file, behind the text that it erases. Only a rewrite takes both out.
"""

import asyncio
import contextlib
import logging
import time
from pathlib import Path

from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

CALL_TIMEOUT_S = 2.0
POLL_S = 0.02  # while a closing server is waited for
INCREMENTAL_FILES = "*.incr.aof*"  # what has happened since the last rewrite (valkey.conf, "appendonly"; Redis >= 7)


class RewriteTimes(Struct, frozen=True):
    """All in seconds. Each rewrite costs a copy of everything, so `pause_s` lies between two of them.

    `after_start_s`: what an earlier run has left in the file waits so long. `at_least_s`: what has expired is out of
    the file after that time. `close_s`: how long an orderly end waits for a rewrite that is still wanted.
    """

    after_start_s: float = 5.0
    pause_s: float = 60.0
    at_least_s: float = 86_400.0
    close_s: float = 2.0


class AofRewrite:
    """The rewrites of one server. A wish is met by a rewrite that began after it and ended well, by nothing less."""

    def __init__(self, socket: Path, times: RewriteTimes) -> None:
        self._socket = socket
        self._times = times
        self._wanted = False
        self._running = False
        self._not_before = time.monotonic() + times.after_start_s
        self._at_the_latest = time.monotonic() + times.at_least_s

    def want(self) -> None:
        """Something was erased."""
        self._wanted = True

    def restarted(self) -> None:
        """The server has died, and with it the rewrite that was under way."""
        self._wanted, self._running = self._wanted or self._running, False

    async def advance(self) -> None:
        """Begins a rewrite that is due, or looks how the one under way has ended. Call it every now and then."""
        now = time.monotonic()
        if self._running:
            await self._look()
        elif (self._wanted and now > self._not_before) or now > self._at_the_latest:
            await self._begin()

    async def finish(self) -> None:
        """Before the server is ended: meets an outstanding wish, as far as `close_s` allows."""
        if not await self.met(self._times.close_s):
            logger.info("the append-only file still holds erased texts; it is rewritten after the next start")

    async def met(self, within_s: float) -> bool:
        """Whether no wish is outstanding, or it could be met in that time."""
        if not (self._wanted or self._running):
            return True
        deadline = time.monotonic() + within_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._wanted or self._running:
                    if time.monotonic() > deadline:  # the driver may lose the cancellation that a time-out is
                        return False
                    await (self._look() if self._running else self._begin())
                    await asyncio.sleep(POLL_S)
                return True
        return False

    async def _begin(self) -> None:
        now = time.monotonic()
        self._not_before, self._at_the_latest = now + self._times.pause_s, now + self._times.at_least_s
        try:
            async with self._client() as client:
                await client.bgrewriteaof()
        except (RedisError, OSError) as exc:
            self._wanted = True
            logger.info("the append-only file is rewritten later (%s)", type(exc).__name__)
        else:
            self._wanted, self._running = False, True

    async def _look(self) -> None:
        try:
            async with self._client() as client:
                info = await client.info("persistence")
        except (RedisError, OSError):
            return  # asked again, or told that the server has died
        if info.get("aof_rewrite_in_progress") or info.get("aof_rewrite_scheduled"):
            return
        self._running = False
        if info.get("aof_last_bgrewrite_status") != "ok":
            self._wanted = True
            logger.warning("the append-only file could not be rewritten; it is tried again")

    def _client(self) -> Redis:
        return Redis(unix_socket_path=str(self._socket), socket_timeout=CALL_TIMEOUT_S)


def has_incremental(files: Path) -> bool:
    """Whether the append-only file in the folder `files` holds more than its last rewrite wrote."""
    return any(file.stat().st_size for file in files.glob(INCREMENTAL_FILES))


def remove_unfinished(folder: Path, files: Path) -> None:
    """Deletes what a rewrite left that was killed, with all that has been erased since. No server may be running.

    The server writes to `temp-…` in its working directory `folder` and moves the file to `files` before its manifest
    names it (aof.c of Valkey 8: `rewriteAppendOnlyFile`, `backgroundRewriteDoneHandler`).
    """
    for unfinished in (*folder.glob("temp-*.aof"), *folder.glob("temp-*.rdb"), *files.glob("temp-*")):
        unfinished.unlink(missing_ok=True)
    named = _named_in_manifest(files)
    if not named:
        return
    for file in files.iterdir():
        if file.name not in named and file.suffix in (".aof", ".rdb"):
            logger.warning("removing %s, which a killed rewrite left behind", file.name)
            file.unlink(missing_ok=True)


def _named_in_manifest(files: Path) -> set[str]:
    """The files that make up the append-only file; empty where there is no manifest, or one that is not understood."""
    manifests = list(files.glob("*.manifest"))
    if len(manifests) != 1:
        return set()
    names = set()
    for line in manifests[0].read_text(errors="replace").splitlines():
        words = line.split()
        if words and not line.startswith("#"):
            if words[0] != "file" or len(words) < 6 or not (files / words[1]).is_file():
                return set()
            names.add(words[1])
    return names
