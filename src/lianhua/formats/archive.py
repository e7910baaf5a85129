"""A file that may be a zip archive, as the JSON documents that are in it.

Bounded by what comes out, not by what the archive says of itself.
"""

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final

from lianhua.errors import InvalidRequest
from lianhua.formats.json.source import Readable
from lianhua.formats.report import Tally

ZIP_START: Final = b"PK\x03\x04"
# Of the list of an archive's files: Python reads it whole and makes of each line ten times as much.
DIRECTORY_BYTES: Final = 4 * 1024 * 1024
_END: Final = b"PK\x05\x06"
_END_BYTES: Final = 22
_COMMENT_BYTES: Final = 65_535
_LOCATOR_BYTES: Final = 20  # of the 64-bit form, right before the end record
_END_64_BYTES: Final = 56
DOCUMENTS: Final = 1_000  # that are read of an archive
# ChatGPT's, Claude's, DeepSeek's and chat-ui's, in one piece or in several (conversations-000.json, …).
_CONVERSATIONS = re.compile(r"(?:.*/)?conversations(?:[-_]\d{1,6})?\.json", re.ASCII)
# Whatever else may be some: Cherry Studio's data.json, Google's My Activity by its name in any language, …
_CANDIDATES = re.compile(r"(?!__MACOSX/)(?:.*/)?(?!\._)[^/]*\.(?:json|jsonl|ndjson|html?)", re.IGNORECASE)
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others cannot be read a bounded piece at a time


class Document:
    """One JSON document; `open` reads it from its beginning."""

    def __init__(
        self,
        file: IO[bytes],
        archive: zipfile.ZipFile | None = None,
        entry: zipfile.ZipInfo | None = None,
        *,
        is_named: bool = True,
    ) -> None:
        """`archive` stays open: whoever opens one reads its whole list of files. `is_named` where it is known to be
        conversations; others are looked at, and may be anything.
        """
        self.name = entry.filename if entry else ""
        self.is_named = is_named
        self._file = file
        self._archive = archive
        self._entry = entry

    @contextmanager
    def open(self) -> Iterator[Readable]:
        """The document for as long as the block runs. Raises `InvalidRequest` where the archive is broken."""
        self._file.seek(0)
        if self._archive is None or self._entry is None:
            yield self._file
            return
        with _understood(), self._archive.open(self._entry) as file:
            yield file


def documents_of(file: IO[bytes], tally: Tally) -> list[Document]:
    """What the file holds that may be conversations; what else an archive holds goes to the tally.

    Raises `InvalidRequest` for an archive that is broken or holds none.
    """
    file.seek(0)
    if file.read(len(ZIP_START)) != ZIP_START:
        return [Document(file)]
    with _understood():
        _check_directory(file)
        archive = zipfile.ZipFile(file)
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    wanted = [entry for entry in entries if _CONVERSATIONS.fullmatch(entry.filename)]
    is_named = bool(wanted)
    if not is_named:
        wanted = [entry for entry in entries if _CANDIDATES.fullmatch(entry.filename)]
    if not wanted:
        inner = next((entry.filename for entry in entries if entry.filename.lower().endswith((".zip", ".gz"))), None)
        also = f"; unpack it and bring {inner[:80]}" if inner else ""
        raise InvalidRequest("file", f"is an archive without conversations.json or another file of conversations{also}")
    if len(wanted) > DOCUMENTS:
        raise InvalidRequest("file", f"is an archive with more than {DOCUMENTS:,} files of conversations")
    for entry in wanted:
        if entry.flag_bits & 1 or entry.compress_type not in _METHODS:
            raise InvalidRequest("file", "is an archive that is encrypted or packed in an unusual way")
    names = {entry.filename for entry in wanted}
    for entry in entries:
        if entry.filename not in names:
            tally.skip("file", "no_conversations", entry.filename)
    wanted.sort(key=lambda entry: entry.filename)
    return [Document(file, archive, entry, is_named=is_named or len(wanted) == 1) for entry in wanted]


def _check_directory(file: IO[bytes]) -> None:
    """Looks at the list of files before it is read: it may be as long as the archive."""
    size = file.seek(0, 2)
    start = max(0, size - _COMMENT_BYTES - _END_BYTES - _LOCATOR_BYTES - _END_64_BYTES)
    file.seek(start)
    tail = file.read()
    end = tail.rfind(_END)
    if end < 0 or len(tail) - end < _END_BYTES:
        raise zipfile.BadZipFile
    (directory,) = struct.unpack_from("<L", tail, end + 12)
    before = end - _LOCATOR_BYTES - _END_64_BYTES
    if before >= 0 and tail[end - _LOCATOR_BYTES :].startswith(b"PK\x06\x07"):
        (directory,) = struct.unpack_from("<Q", tail, before + 40)
    if directory > DIRECTORY_BYTES:
        raise InvalidRequest("file", f"is an archive whose list of files is over {DIRECTORY_BYTES // 1024**2} MB")
    file.seek(0)


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error, UnicodeError) as exc:
        raise InvalidRequest("file", "is a broken zip archive") from exc
