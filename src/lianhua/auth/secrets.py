"""What people prove themselves with: 256 random bits, of which the store keeps only the SHA-256.

A secret carries the name of its holder, so that one key of the store answers for it. The bits are all that counts: a
changed name finds another account, in which that digest is not.
"""

import base64
import binascii
import hashlib
import re
import secrets
from typing import Final

from msgspec import Struct

RANDOM_BYTES: Final = 32
TOKEN_PREFIX: Final = "lh_"  # noqa: S105  by which scanners for leaked secrets know one
_SECRET: Final = re.compile(r"([A-Za-z0-9_-]{2,172})\.([A-Za-z0-9_-]{43})")
# As a token stands in an address or a log: whoever finds one there takes it out.
TOKEN: Final = re.compile(r"lh_[A-Za-z0-9_-]{2,172}\.[A-Za-z0-9_-]{43}")


class Secret(Struct, frozen=True):
    """`digest` is what the store knows it by."""

    holder: str
    digest: str


def new_secret(holder: str) -> tuple[str, Secret]:
    """A secret as its holder gets it, once, and as it is kept."""
    text = f"{_encode(holder)}.{secrets.token_urlsafe(RANDOM_BYTES)}"
    return text, Secret(holder, _digest(text))


def read_secret(text: str) -> Secret | None:
    """None for what cannot be one."""
    found = _SECRET.fullmatch(text)
    if not found:
        return None
    try:
        holder = base64.urlsafe_b64decode(found[1] + "=" * (-len(found[1]) % 4)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return Secret(holder, _digest(text))


def _encode(holder: str) -> str:
    return base64.urlsafe_b64encode(holder.encode()).decode().rstrip("=")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
