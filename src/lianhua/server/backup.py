"""`lianhua backup` and `lianhua restore`: all of a store into a file while it is used, and out of it into an empty one.

Memory follows the largest conversation, not the store, but for some 120 bytes a conversation. Nothing here is counted
as done before it has been read back.
"""

import asyncio
import getpass
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import lianhua
from lianhua.config.settings import Settings
from lianhua.server.backup_file import BackupRefused, BackupWriter, End, Head, open_backup, read_backup
from lianhua.store.audit import AuditLog, line_of
from lianhua.store.backup import Group, StoreReader, StoreWriter
from lianhua.store.format_version import FORMAT, RESTORING, bring_to_format
from lianhua.store.open import open_any_store, open_store

LOOK_S: Final = 1.0  # between two looks for what has come to the audit
EXPIRY_MARGIN_MS: Final = 60_000  # what expires within it may be gone when it is read back


async def back_up(settings: Settings, path: Path) -> End:
    """Writes the file, for its owner alone, and reads it back. Raises `BackupRefused`, `StoreUnavailable`,
    `WrongSettings`.
    """
    partial = _partial(path)
    try:
        async with open_any_store(settings) as store:
            reader = StoreReader(store.database)
            with open_backup(partial) as writer:
                writer.head(Head(FORMAT, lianhua.__version__, time.time()))
                async for group in reader.groups():
                    writer.add(group)
                end = writer.end()
            if reader.gone:  # erased while it was made: no backup keeps what is erased
                end = _without(partial, reader.gone)
            if _last(partial) != end:
                raise BackupRefused(f"{partial} does not read back as it was written; is the disk sound?")
            partial.rename(path)
            await StoreWriter(store.database).note_backup(end.conversations)
            await AuditLog(store.database).record("backup", user=_operator(), conversations=end.conversations)
            return end
    finally:
        partial.unlink(missing_ok=True)


async def restore(settings: Settings, path: Path) -> End:
    """Reads all of the file before the first write, writes, and reads the store back. Raises `BackupRefused` when the
    file is not whole or of a newer format, or the store is not empty.
    """
    head, end = _head(path), _last(path)
    if head.format > FORMAT:
        raise BackupRefused(
            f"{path} is of format {head.format}, written by Lianhua {head.version}; this one knows up to {FORMAT}"
        )
    async with open_store(settings) as store:
        reader, writer = StoreReader(store.database), StoreWriter(store.database)
        if not await reader.is_empty():
            raise BackupRefused(f"the store ({store.where}) is not empty; a backup is restored into an empty one")
        await writer.mark(RESTORING)
        for group in _groups(path):
            await writer.write(group)
        for group in _groups(path):
            if not await _is_there(reader, group):
                raise BackupRefused("the store does not read back as it was written; empty it and try again")
        await writer.mark(head.format)
        await bring_to_format(store.database, store.where)
        await AuditLog(store.database).record("restore", user=_operator(), conversations=end.conversations)
    return end


async def follow_audit(settings: Settings, *, follow: bool) -> AsyncIterator[str]:
    """The events as lines of JSON; with `follow` also those to come."""
    async with open_any_store(settings) as store:
        log, last = AuditLog(store.database), "0-0"
        while True:
            async for event_id, event in log.all(last):
                yield line_of(event_id, event)
                last = event_id
            if not follow:
                return
            await asyncio.sleep(LOOK_S)


def _operator() -> str:
    """Who has started the command, as the system calls them; no `user_id` has a colon."""
    try:
        return f"system:{getpass.getuser()}"
    except (OSError, KeyError):  # in a container a user may have a number only
        return f"system:{os.getuid()}"


def _partial(path: Path) -> Path:
    if path.exists():
        raise BackupRefused(f"{path} is there already; name another file")
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)  # of one that was broken off
    return partial


def _without(path: Path, erased: set[str]) -> End:
    """Writes the file anew without some conversations."""
    whole = path.with_name(f"{path.name}.whole")
    path.rename(whole)
    try:
        with open_backup(path) as writer:
            return _copy(whole, writer, erased)
    finally:
        whole.unlink(missing_ok=True)


def _copy(source: Path, writer: BackupWriter, erased: set[str]) -> End:
    for record in read_backup(source):
        match record:
            case Head():
                writer.head(record)
            case Group() if record.conversation_id not in erased:
                writer.add(record)
    return writer.end()


def _head(path: Path) -> Head:
    for record in read_backup(path):
        if isinstance(record, Head):
            return record
    raise BackupRefused(f"{path} is empty")


def _last(path: Path) -> End:
    """Reads all of the file."""
    for record in read_backup(path):
        if isinstance(record, End):
            return record
    raise BackupRefused(f"{path} has no end")


def _groups(path: Path) -> Iterator[Group]:
    return (record for record in read_backup(path) if isinstance(record, Group))


async def _is_there(reader: StoreReader, group: Group) -> bool:
    """Whether the store has what the file has, but for what expires about now."""
    soon_ms = int(time.time() * 1000) + EXPIRY_MARGIN_MS
    lasting = [key for key in group.keys if not 0 <= key.expires_at_ms <= soon_ms and key.content]
    if group.conversation_id:
        found = await reader.conversation(group.conversation_id)
    else:
        found = [key for keys in await reader.others([key.name.decode() for key in lasting]) for key in keys]
    there = {key.name: key for key in found}
    return all(there.get(key.name) == key for key in lasting)
