"""Who did what, from where and when: a stream of a bounded length that nobody changes. It holds ids, never a text."""

import hashlib
import logging
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from lianhua.config.logs import REQUEST_ID
from lianhua.errors import Unavailable
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import PREFIX

logger = logging.getLogger(__name__)

AUDIT_KEY: Final = f"{PREFIX}:{{audit}}"
# The newest are kept, some more than that: about 30 MB. Who has to keep more sends `lianhua audit --follow` elsewhere.
AUDIT_EVENTS: Final = 100_000
PAGE_EVENTS: Final = 500
DETAIL_CHARS: Final = 300

Action = Literal[
    "start", "backup", "restore", "export", "import", "erase",
    "login", "login_failed", "logout", "password", "session_revoked", "token_made", "token_revoked",
    "user_made", "user_changed", "user_disabled", "user_erased", "role", "group", "invite", "limits",
]  # fmt: skip


class AuditEvent(Struct, frozen=True, omit_defaults=True):
    """`user` did it, from `address`; `target` is the id of whom or what it was done to. `key` tells an event apart from
    one that was written twice, because an answer of the store was lost.
    """

    action: Action
    user: str = ""
    address: str = ""
    target: str = ""
    detail: dict[str, str | int | float | bool] = {}
    request_id: str = ""
    key: str = ""


class AuditLog:
    """Where events go. The store's clock says when."""

    def __init__(self, database: StoreClient) -> None:
        self._database = database

    async def record(
        self, action: Action, *, user: str = "", address: str = "", target: str = "", **detail: str | int | float | bool
    ) -> None:
        """Adds an event. Where the store is away the log has it instead: what was done is done.

        `detail` never holds what a person wrote, a key or a password.
        """
        short = {name: value[:DETAIL_CHARS] if isinstance(value, str) else value for name, value in detail.items()}
        event = AuditEvent(action, user, address, target, short, REQUEST_ID.get(), secrets.token_hex(6))
        encoded = msgspec.json.encode(event)
        try:
            await self._database.ask(("XADD", AUDIT_KEY, "MAXLEN", "~", AUDIT_EVENTS, "*", "e", encoded))
        except Unavailable:
            logger.warning("the audit could not be written: %s", encoded.decode())

    async def page(self, after: str) -> list[tuple[str, AuditEvent]]:
        """The next events after the one of that id ("0" for all), the oldest first. Raises `StoreUnavailable`."""
        (entries,) = await self._database.ask(("XRANGE", AUDIT_KEY, f"({after}", "+", "COUNT", PAGE_EVENTS))
        return [_read(entry) for entry in entries]

    async def all(self, after: str = "0-0") -> AsyncIterator[tuple[str, AuditEvent]]:
        """Every event that is there now, each once, the oldest first."""
        last_id, last_key = after, ""
        while events := await self.page(last_id):
            for event_id, event in events:
                if event.key != last_key:
                    yield event_id, event
                last_id, last_key = event_id, event.key


def conversation_mark(conversation_id: str) -> str:
    """What the audit calls a conversation: it stays recognisable, and its id goes when it is erased."""
    return hashlib.sha256(conversation_id.encode()).hexdigest()[:16]


def line_of(event_id: str, event: AuditEvent) -> str:
    """The event as a line of JSON, with its time in UTC after RFC 3339."""
    at = datetime.fromtimestamp(int(event_id.partition("-")[0]) / 1000, UTC).isoformat(timespec="milliseconds")
    fields = {name: value for name, value in msgspec.to_builtins(event).items() if name != "key"}
    return msgspec.json.encode({"at": at, "id": event_id, **fields}).decode()


_decoder: Final = msgspec.json.Decoder(AuditEvent)


def _read(entry: Any) -> tuple[str, AuditEvent]:
    event_id, fields = entry
    return event_id.decode(), _decoder.decode(fields[1])
