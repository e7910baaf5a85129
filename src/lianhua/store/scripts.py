"""The static Lua scripts, and the one place where they are run and where the driver's errors become ours.

Every script may be sent twice: repeating one changes nothing. So a call whose answer was lost is simply made again.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import (
    ConnectionError as DriverConnectionError,
)
from redis.exceptions import (
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import (
    TimeoutError as DriverTimeoutError,
)

from lianhua.errors import Overloaded, StoreUnavailable

Argument = str | bytes | int | float
_FOLDER = files(__package__)
_SHARED: Final = (_FOLDER / "shared.lua").read_text("utf-8")


class Script:
    """One `.lua` file with the shared functions in front of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.source = f"{_SHARED}\n{(_FOLDER / f'{name}.lua').read_text('utf-8')}"
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    async def run(self, client: "Redis", keys: Sequence[str], args: Sequence[Argument]) -> list[Any]:
        """The script's answer. Raises `StoreUnavailable` or `Overloaded`."""
        with driver_errors():
            try:
                return await client.evalsha(self.sha, len(keys), *keys, *args)  # type: ignore[no-any-return]
            except NoScriptError:  # a restarted server, or one that never saw it
                return await client.eval(self.source, len(keys), *keys, *args)  # type: ignore[no-any-return]


# A server that cannot write its append-only file answers MISCONF; one that loads, is down or moves says so too.
_OUTAGES: Final = {"MISCONF", "LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "NOREPLICAS"}


def is_outage(answer: object) -> bool:
    """Whether an answer says that the server takes nothing at the moment, rather than that this call is wrong."""
    if isinstance(answer, OutOfMemoryError | DriverConnectionError | DriverTimeoutError | ReadOnlyError | OSError):
        return True
    return isinstance(answer, ResponseError) and str(answer).split(" ", 1)[0] in _OUTAGES


@contextmanager
def driver_errors() -> Iterator[None]:
    """Turns what the driver raises into `StoreUnavailable` or `Overloaded`; an error of a script's own stays a bug."""
    try:
        yield
    except OutOfMemoryError as exc:
        raise Overloaded("the store is full") from exc
    except (RedisError, OSError) as exc:
        if isinstance(exc, ResponseError) and not is_outage(exc):
            raise
        raise StoreUnavailable(type(exc).__name__) from exc
