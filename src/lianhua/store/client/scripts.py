"""The static Lua scripts, and where the driver's errors become ours.

Every script may be sent twice: repeating one changes nothing. So a call whose answer was lost is simply made again.
"""

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Final

from msgspec import Struct
from redis.exceptions import (
    AskError,
    ClusterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import (
    ConnectionError as DriverConnectionError,
)
from redis.exceptions import (
    TimeoutError as DriverTimeoutError,
)

from lianhua.errors import LianhuaError, Overloaded, StoreUnavailable

Argument = str | bytes | int | float
_FOLDER = files("lianhua.store") / "lua"
_SHARED: Final = (_FOLDER / "shared.lua").read_text("utf-8")


class Request(Struct, frozen=True, gc=False):
    """One command for the server that holds `key`. `source` is there where it runs a script that may have to be
    told.
    """

    key: str
    words: tuple[Argument, ...]
    source: str | None = None

    def with_source(self) -> "Request":
        """The same with the script's whole text in place of its hash."""
        assert self.source is not None  # noqa: S101
        return Request(self.key, ("EVAL", self.source, *self.words[2:]))


class Script:
    """One `.lua` file with the shared functions in front of it, and those of the files that are `needed`."""

    def __init__(self, name: str, *needed: str) -> None:
        self.name = name
        parts = ((_FOLDER / f"{part}.lua").read_text("utf-8") for part in (*needed, name))
        self.source = "\n".join((_SHARED, *parts))
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    def request(self, keys: Sequence[str], args: Sequence[Argument]) -> Request:
        """The call with these keys, of which all live where the first one does."""
        return Request(keys[0], ("EVALSHA", self.sha, len(keys), *keys, *args), self.source)


# A server that cannot write its append-only file answers MISCONF, one whose replicas are gone may answer NOREPLICAS,
# one in a long script of somebody else's BUSY. The driver has classes for the others.
_OUTAGES: Final = {"MISCONF", "NOREPLICAS", "BUSY", "LOADING", "MASTERDOWN"}
_OUTAGE_CLASSES: Final = (
    OutOfMemoryError,
    DriverConnectionError,
    DriverTimeoutError,
    ReadOnlyError,
    ClusterDownError,
    AskError,  # and MovedError: a slot that has not come to rest
    TryAgainError,
    OSError,
)


def is_outage(answer: object) -> bool:
    """Whether an answer says that the server takes nothing at the moment, rather than that this call is wrong."""
    if isinstance(answer, _OUTAGE_CLASSES):
        return True
    return isinstance(answer, ResponseError) and str(answer).split(" ", 1)[0] in _OUTAGES


def translated(error: Exception) -> Exception:
    """The error as the layers above know it; an error of a script's own stays what it is, for it is a bug."""
    if isinstance(error, LianhuaError):
        return error
    if isinstance(error, OutOfMemoryError):
        return Overloaded("the store is full")
    if isinstance(error, ResponseError) and not is_outage(error):
        return error
    if isinstance(error, RedisError | OSError):
        return StoreUnavailable(type(error).__name__)
    return error
