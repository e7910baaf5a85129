"""The ends of the embedded server's append-only files, put right before it reads them.

A power cut may leave a file longer than what was written to it: the file system has kept the new length and not the
data, and zero bytes stand in its place (redis/redis issue 5177). The server cuts off a command that breaks off, but
takes zeros for a broken file and does not start. They can be cut: whatever was acknowledged was on the disk, in front
of them, and no command ends with a zero byte.
"""

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

MANIFEST: Final = "appendonly.aof.manifest"
FOLDER: Final = "appendonlydir"
KEPT_S: Final = 7 * 86_400.0  # of a file as it was before it was cut
BLOCK_BYTES: Final = 64 * 1024
# One line a file: `file NAME seq N type T`, T of `b`ase, `i`ncremental and `h`istory (aof.c, "manifest").
_INCREMENTAL: Final = re.compile(r"^file ([^\s/]+) seq \d+ type i\b", re.MULTILINE)
_COPY: Final = ".before-cut-"


class Cut(Struct, frozen=True):
    """What was cut off a file: zero bytes, a command that broke off, or both. `copy` is the file as it was, None where
    the disk has no room for it.
    """

    file: Path
    zeros: int
    torn: bool
    copy: Path | None

    @property
    def what(self) -> str:
        torn = ["a command that broke off"] if self.torn else []
        return " and ".join([*torn, *([f"{self.zeros} zero bytes"] if self.zeros else [])])

    @property
    def kept(self) -> str:
        if self.copy is None:
            return "There is no room for a copy of it as it was"
        return f"As it was it is kept for a week, or until something is erased: {self.copy}"


def mend(store: Path) -> list[Cut]:
    """Cuts zero bytes off the ends of the incremental files in the server's folder, which it must not have open.

    Keeps a copy of each file that this or the server cuts. Raises `OSError`.
    """
    cuts: list[Cut] = []
    for file in files(store):
        size = file.stat().st_size
        end = _end_of_data(file, size)
        torn = end > 0 and not _ends_a_line(file, end)  # the server cuts this itself
        if end == size and not torn:
            continue
        copy = _copied(file, store / f"{file.name}{_COPY}{time.time_ns()}")
        if end < size:
            with file.open("r+b") as opened:
                opened.truncate(end)
                os.fsync(opened.fileno())
        cuts.append(Cut(file, size - end, torn, copy))
    return cuts


def files(store: Path) -> list[Path]:
    """The incremental files, in the order in which the server reads them."""
    try:
        manifest = (store / FOLDER / MANIFEST).read_text("utf-8", "replace")
    except FileNotFoundError:
        return []
    named = (store / FOLDER / name for name in _INCREMENTAL.findall(manifest))
    return [file for file in named if file.is_file()]


def length(store: Path) -> int:
    """Bytes of all incremental files."""
    return sum(file.stat().st_size for file in files(store))


def forget_copies(store: Path, older_than_s: float = KEPT_S) -> None:
    """Removes the copies that are older: they hold whatever was erased since."""
    for copy in store.glob(f"*{_COPY}*"):
        with contextlib.suppress(OSError):
            if time.time() - copy.stat().st_mtime >= older_than_s:
                copy.unlink()


def _copied(file: Path, copy: Path) -> Path | None:
    try:
        copy.touch(mode=0o600)
        shutil.copyfile(file, copy)
    except OSError:
        copy.unlink(missing_ok=True)
        return None
    return copy


def _end_of_data(file: Path, size: int) -> int:
    """Where the zero bytes at the end begin."""
    end = size
    for start, block in _backwards(file, size):
        end = start + len(block.rstrip(b"\0"))
        if end > start:
            break
    return end


def _backwards(file: Path, size: int) -> Iterator[tuple[int, bytes]]:
    with file.open("rb") as opened:
        for end in range(size, 0, -BLOCK_BYTES):
            start = max(0, end - BLOCK_BYTES)
            opened.seek(start)
            yield start, opened.read(end - start)


def _ends_a_line(file: Path, end: int) -> bool:
    with file.open("rb") as opened:
        opened.seek(max(0, end - 2))
        return opened.read(min(2, end)) == b"\r\n"
