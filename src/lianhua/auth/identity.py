"""Who is asking: the one place that decides it. No HTTP: `api/deps` brings the cookie and sets a new one."""

import re
import secrets
from typing import Final, Literal

from msgspec import Struct

COOKIE: Final = "lianhua_uid"
COOKIE_DAYS: Final = 400  # the longest that browsers keep one (RFC 6265bis, 5.5)
USER_ID_PATTERN: Final = r"^[A-Za-z0-9._@-]{1,128}$"
UNLIMITED: Final = frozenset({"*"})
_COOKIE_BYTES: Final = 16  # 128 random bits: 22 characters in base64
_COOKIE_VALUE = re.compile(r"[A-Za-z0-9_-]{22}")
_COOKIE_PREFIX: Final = "~"  # no `user_id` can begin with it, so neither kind can name a user of the other

Role = Literal["admin", "user"]


class Identity(Struct, frozen=True):
    """A caller. `user_id` is the owner's name in the store; `group` is empty for a user in no group.

    `scopes` are what the caller may do: `UNLIMITED`, or those of an access token. `session_id` is the login session and
    `token_id` the access token that proved the identity, None where there was none.
    """

    user_id: str
    role: Role = "user"
    group: str = ""
    scopes: frozenset[str] = UNLIMITED
    session_id: str | None = None
    token_id: str | None = None


class Visitor(Struct, frozen=True):
    """A new user, and the value of the cookie by which to know them again."""

    identity: Identity
    cookie: str


class OpenMode:
    """The policy without accounts: a caller is the user they name, else the user of their cookie. No admins."""

    def identify(self, user_id: str | None, cookie: str) -> Identity | None:
        """None for a new user. `user_id` matches `USER_ID_PATTERN`; `cookie` may be any text, empty for no cookie."""
        if user_id is not None:
            return Identity(user_id)
        return _of_cookie(cookie) if _COOKIE_VALUE.fullmatch(cookie) else None

    def welcome(self) -> Visitor:
        """A user that nobody else is."""
        cookie = secrets.token_urlsafe(_COOKIE_BYTES)
        return Visitor(_of_cookie(cookie), cookie)


def cookie_name(base_path: str) -> str:
    """The cookie's name below `base_path` (empty, or like `/chat`). Two servers below different paths of one host have
    one each, also where one path begins with the other.
    """
    return COOKIE + base_path.replace("/", ".")


def _of_cookie(cookie: str) -> Identity:
    return Identity(_COOKIE_PREFIX + cookie)
