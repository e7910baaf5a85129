"""Passwords: argon2id, in threads of their own, a few at once.

`common_passwords.txt.gz` are the 10,000 commonest of the password list of zxcvbn 4.5.0 (MIT licence, Copyright (c) 2016
Daniel Wolf; the counts are of Mark Burnett's ten million passwords, in the public domain), sorted, one a line.
"""

import asyncio
import gzip
import string
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Final, TypeVar

from lianhua.errors import Overloaded, WeakPassword

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")

MIN_CHARS: Final = 12
MAX_CHARS: Final = 256  # hashing takes the same time for all; this only bounds the body
AT_ONCE: Final = 2  # each takes a core for its time, and 46 MiB
WAITING: Final = 32  # that are asked for and not yet done: more wait longer than a person would
# Of the equally strong choices of OWASP's Password Storage Cheat Sheet the one with the most memory.
MEMORY_KIB: Final = 47_104
PASSES: Final = 1


class Passwords:
    """Raises `WeakPassword` and, where too many are on their way, `Overloaded`."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="password")
        self._waiting = 0
        self._nobodys = ""

    async def hash(self, password: str, name: str = "") -> str:
        """The hash to keep. Raises `WeakPassword` for one too short or too common, or made of the person's name."""
        check_strength(password, name)
        return await self._run(partial(_hash, password))

    async def verify(self, password_hash: str, password: str) -> bool:
        """Whether the password is the one of the hash. With an empty hash never, after the same time."""
        if not self._nobodys:
            self._nobodys = await self._run(partial(_hash, "nobody has this password"))
        matches = await self._run(partial(_matches, password_hash or self._nobodys, password[:MAX_CHARS]))
        return matches and bool(password_hash)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: "partial[T]") -> T:
        if self._waiting >= WAITING:
            raise Overloaded("too many passwords at once")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def check_strength(password: str, name: str = "") -> None:
    """Raises `WeakPassword`. Length counts, and not to be what is tried first (NIST SP 800-63B, 5.1.1.2)."""
    if not MIN_CHARS <= len(password) <= MAX_CHARS:
        raise WeakPassword("password", f"{MIN_CHARS} to {MAX_CHARS} characters")
    if is_common(password) or (name and _stem(password) in ("", name.lower())):
        raise WeakPassword("password", "too common; several words that do not belong together are better")


def is_common(password: str) -> bool:
    """Whether it is one of the commonest, also repeated or with digits and signs around it."""
    lower = password.lower()
    return bool({lower, _unit(lower), _stem(lower), _unit(_stem(lower))} & _common())


def _stem(password: str) -> str:
    return password.lower().strip(string.digits + string.punctuation + " ")


def _unit(text: str) -> str:
    """What is repeated to make the text; the text itself where nothing is."""
    return text[: (text + text).find(text, 1)] if text else ""


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # noqa: PLC0415  a library of C that a server without accounts does not load

    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1)


def _hash(password: str) -> str:
    return _hasher().hash(password)


def _matches(password_hash: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415

    try:
        return _hasher().verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _common() -> frozenset[str]:
    packed = (files("lianhua.auth") / "common_passwords.txt.gz").read_bytes()
    return frozenset(gzip.decompress(packed).decode().split("\n"))
