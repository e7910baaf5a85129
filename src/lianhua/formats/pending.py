"""Where pieces of a file wait for what they belong to: some formats have the messages of all conversations in one list.

On disk, so that memory does not follow the size of the file: a private database of SQLite's, which has no name and is
gone when it is closed.
"""

import sqlite3
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final

import msgspec

from lianhua.errors import InvalidRequest, Overloaded
from lianhua.formats.values import CONVERSATION_BYTES

BATCH: Final = 500  # rows that are written at once
_encode = msgspec.json.Encoder(enc_hook=lambda unread: None).encode
_decode = msgspec.json.Decoder().decode


class Shelf:
    """Pieces by their group. Raises `Overloaded` where the disk is full. Close it, or use it as a context."""

    def __init__(self) -> None:
        # Whoever reads a file does so in one thread after another, never in two at once.
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE pieces (home TEXT, value BLOB)")
        self._database.execute("CREATE TABLE named (name TEXT PRIMARY KEY, value BLOB)")
        self._waiting: list[tuple[str, bytes]] = []

    def __enter__(self) -> "Shelf":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def put(self, group: str, value: Any) -> None:
        """One more piece of the group."""
        self._waiting.append((group, _encode(value)))
        if len(self._waiting) >= BATCH:
            self._flush()

    def put_named(self, name: str, value: Any) -> None:
        """Something that is known by its name; the last one of a name counts."""
        self._run("INSERT OR REPLACE INTO named VALUES (?, ?)", (name, _encode(value)))

    def labelled(self, name: str) -> Any:
        """What was put under that name; None for nothing."""
        for (value,) in self._run("SELECT value FROM named WHERE name = ?", (name,)):
            return _decode(value)
        return None

    def index(self) -> None:
        """All pieces are there: from now on they are found by their groups."""
        self._flush()
        self._run("CREATE INDEX homes ON pieces (home)")

    def groups(self) -> Iterator[str]:
        """The groups in the order of their first pieces. After `index`."""
        for name, _ in self._run("SELECT home, MIN(rowid) AS first FROM pieces GROUP BY home ORDER BY first"):
            yield name

    def pieces(self, group: str) -> list[Any]:
        """The pieces of a group in order. Raises `InvalidRequest` where they are too much for one conversation."""
        for (size,) in self._run("SELECT SUM(LENGTH(value)) FROM pieces WHERE home = ?", (group,)):
            if (size or 0) > CONVERSATION_BYTES:
                raise InvalidRequest("file", f"holds a conversation of more than {CONVERSATION_BYTES // 1024**2} MB")
        rows = self._run("SELECT value FROM pieces WHERE home = ? ORDER BY rowid", (group,))
        return [_decode(value) for (value,) in rows]

    def _flush(self) -> None:
        try:
            self._database.execute("BEGIN")
            self._database.executemany("INSERT INTO pieces VALUES (?, ?)", self._waiting)
            self._database.execute("COMMIT")
        except sqlite3.OperationalError as exc:
            raise Overloaded("no room for a file that is read") from exc
        self._waiting = []

    def _run(self, words: str, values: tuple[object, ...] = ()) -> Iterator[Any]:
        try:
            return iter(self._database.execute(words, values))
        except sqlite3.OperationalError as exc:
            raise Overloaded("no room for a file that is read") from exc
