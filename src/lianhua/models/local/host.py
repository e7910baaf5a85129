"""Where a local model runs: one child process a file, one line of turns in front of it.

A server of one process is its own host. Of several workers their supervisor is (`server/control`), so that the weights
are in memory once and turns of all workers wait in one line.
"""

import asyncio
import logging
import os
import secrets
from typing import Protocol

from msgspec import Struct

from lianhua.errors import ModelUnavailable
from lianhua.models.local.child import Order, Sampling
from lianhua.models.local.process import ModelProcess
from lianhua.models.queue import Line

log = logging.getLogger(__name__)


class Wanted(Struct, frozen=True):
    """Which model, and how. `file` is an absolute path, `sampling` None leaves it to the file, `reply_tokens` bounds a
    reply that names no limit.
    """

    file: str
    alias: str
    context_tokens: int
    reply_tokens: int
    sampling: Sampling | None = None


class ModelServer(Protocol):
    """A server of one model: its `url` has no path, and it answers only to `api_key`."""

    url: str
    api_key: str

    @property
    def pid(self) -> int: ...

    async def gone(self) -> bool:
        """Whether it has ended, or does so within a moment."""
        ...


class Waiting(Protocol):
    """A turn's place in the line: `ahead` turns come first, 0 means: your turn. Whoever has one leaves it again."""

    @property
    def ahead(self) -> int: ...

    async def moved(self) -> None:
        """Wait until `ahead` is another number. Raises `ModelUnavailable` where it will not be any more."""
        ...

    def leave(self) -> None: ...


class ModelHost(Protocol):
    """The port: `OwnHost`, or the supervisor's as a worker sees it."""

    async def join(self) -> Waiting:
        """A place at the end of the line. Raises `ModelRateLimited` where it is full, `ModelUnavailable`."""
        ...

    async def server(self, wanted: Wanted) -> ModelServer:
        """The model's server, started where none is up. Raises `ModelUnavailable` with one line that says why."""
        ...

    def pid(self) -> int | None:
        """The process id of the server, None where none is known to be up."""
        ...

    async def close(self) -> None: ...


class OwnHost:
    """The host in this process. A server that dies is started again by the next who asks, once for all who wait."""

    def __init__(self) -> None:
        self._line = Line()
        self._loading: asyncio.Task[ModelProcess] | None = None
        self._wanted: Wanted | None = None
        self._closed = False

    async def join(self) -> Waiting:
        return self._line.join()

    async def server(self, wanted: Wanted) -> ModelServer:
        # Who is cancelled does not cancel the load: the next one waits for it.
        return await asyncio.shield(self._load(wanted))

    def pid(self) -> int | None:
        process = _up(self._loading)
        return process.pid if process else None

    async def close(self) -> None:
        """End the server and wait until it is gone."""
        self._closed = True
        loading, self._loading = self._loading, None
        if loading is None:
            return
        loading.cancel()
        await asyncio.wait({loading})
        if (process := _loaded(loading)) is not None:
            await process.stop()

    def _load(self, wanted: Wanted) -> asyncio.Task[ModelProcess]:
        """The load under way or done; a new one where there is none, where the last one came to nothing, or where
        another model is wanted.
        """
        if self._closed:
            raise ModelUnavailable("the local model is closed")
        before = self._loading
        if before is not None and wanted == self._wanted and (not before.done() or _up(before) is not None):
            return before
        self._wanted = wanted
        self._loading = asyncio.create_task(_start(wanted, before), name=f"local-model-{wanted.alias}")
        self._loading.add_done_callback(_log_failure)
        return self._loading


async def _start(wanted: Wanted, before: asyncio.Task[ModelProcess] | None) -> ModelProcess:
    if before is not None:
        before.cancel()
        await asyncio.wait({before})
        if (former := _loaded(before)) is not None:
            await former.stop()
    return await ModelProcess.start(
        Order(
            file=wanted.file,
            alias=wanted.alias,
            api_key=secrets.token_urlsafe(32),
            context_tokens=wanted.context_tokens,
            reply_tokens=wanted.reply_tokens,
            cores=_cores(),
            parent_pid=os.getpid(),
            sampling=wanted.sampling,
        )
    )


def _up(loading: asyncio.Task[ModelProcess] | None) -> ModelProcess | None:
    process = _loaded(loading)
    return process if process and process.running else None


def _loaded(loading: asyncio.Task[ModelProcess] | None) -> ModelProcess | None:
    """The process that `loading` came to, running or not."""
    if loading is None or not loading.done() or loading.cancelled() or loading.exception():
        return None
    return loading.result()


def _log_failure(loading: asyncio.Task[ModelProcess]) -> None:
    if not loading.cancelled() and (exc := loading.exception()):
        log.warning("%s", exc)


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
