"""A backup as a file: a head, groups of keys, and an end that says how many and gives the SHA-256 of all before it.

Records of MessagePack, each behind its length in four bytes, gzip around all of it. So a file that is cut, or of which
a bit has changed, is known before anything of it is used.
"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import msgspec
from msgspec import Struct

from lianhua.errors import LianhuaError
from lianhua.store.backup import Group

MAGIC: Final = b"LIANHUA BACKUP 1\n"
RECORD_BYTES: Final = 1024 * 1024 * 1024  # of the largest conversation
LEVEL: Final = 3  # of gzip: a third of the time of 6 for a tenth more bytes


class BackupRefused(LianhuaError):
    """The file is not, or not wholly, what `lianhua backup` writes, or cannot be written."""

    code = "backup_refused"


class Head(Struct, frozen=True, tag="head"):
    """`format` is the store's, `version` that of the Lianhua which wrote it, `at` seconds since 1970."""

    format: int
    version: str
    at: float


class Body(Struct, frozen=True, tag="group"):
    group: Group


class End(Struct, frozen=True, tag="end"):
    """How much there is in the file."""

    conversations: int
    keys: int
    sha256: str


class BackupWriter:
    """`open_backup` makes one."""

    def __init__(self, out: "gzip.GzipFile | IO[bytes]") -> None:
        self._out = out
        self._digest = hashlib.sha256()
        self._conversations = self._keys = 0

    def head(self, head: Head) -> None:
        self._write(MAGIC)
        self._record(head)

    def add(self, group: Group) -> None:
        self._conversations += bool(group.conversation_id)
        self._keys += len(group.keys)
        self._record(Body(group))

    def end(self) -> End:
        end = End(self._conversations, self._keys, self._digest.hexdigest())
        self._record(end)
        return end

    def _record(self, record: Head | Body | End) -> None:
        encoded = msgspec.msgpack.encode(record)
        if len(encoded) > RECORD_BYTES:
            raise BackupRefused(f"a conversation is larger than {RECORD_BYTES} bytes")
        self._write(len(encoded).to_bytes(4, "big") + encoded)

    def _write(self, piece: bytes) -> None:
        self._digest.update(piece)
        self._out.write(piece)


@contextmanager
def open_backup(path: Path) -> Iterator[BackupWriter]:
    """A file for its owner alone, on disk when the block ends. Raises `BackupRefused`; what is there is not
    replaced.
    """
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(number, "wb") as raw:  # noqa: PTH123  a descriptor
            with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=LEVEL, mtime=0) as out:
                yield BackupWriter(out)
            raw.flush()
            os.fsync(number)
    except FileExistsError as exc:
        raise BackupRefused(f"{path} is there already; name another file") from exc
    except OSError as exc:
        raise BackupRefused(f"{path} cannot be written ({exc.strerror})") from exc


def read_backup(path: Path) -> Iterator[Head | Group | End]:
    """The head, each group, and the end once all before it was found to be as it was written. Raises
    `BackupRefused`.
    """
    try:
        with gzip.open(path, "rb") as file:
            yield from _records(file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
        raise BackupRefused(f"{path} is cut off or damaged; take another backup") from exc
    except (msgspec.MsgspecError, UnicodeDecodeError, _Damaged) as exc:
        raise BackupRefused(f"{path} is damaged or no backup of Lianhua") from exc
    except OSError as exc:
        raise BackupRefused(f"{path} cannot be read ({exc.strerror})") from exc


class _Damaged(Exception):
    pass


def _records(file: "gzip.GzipFile | IO[bytes]") -> Iterator[Head | Group | End]:
    decode = msgspec.msgpack.Decoder(Head | Body | End).decode
    digest = hashlib.sha256(MAGIC)
    if file.read(len(MAGIC)) != MAGIC:
        raise _Damaged
    conversations = keys = 0
    first = True
    while True:
        size = int.from_bytes(length := _exactly(file, 4), "big")
        if size > RECORD_BYTES:
            raise _Damaged
        encoded = _exactly(file, size)
        record = decode(encoded)
        if isinstance(record, Head) is not first:
            raise _Damaged
        first = False
        match record:
            case Head():
                yield record
            case Body(group):
                conversations += bool(group.conversation_id)
                keys += len(group.keys)
                yield group
            case End():
                if record != End(conversations, keys, digest.hexdigest()) or file.read(1):
                    raise _Damaged
                yield record
                return
        digest.update(length + encoded)


def _exactly(file: "gzip.GzipFile | IO[bytes]", size: int) -> bytes:
    read = file.read(size)
    if len(read) < size:
        raise EOFError
    return read
