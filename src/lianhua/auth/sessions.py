"""Login sessions: a cookie, which only its browser has, and what the store keeps of it."""

from typing import Final

from lianhua.auth.secrets import new_secret
from lianhua.errors import LoginFailed
from lianhua.store.sessions import ABSOLUTE_S, Session, SessionStore

SHOWN_CHARS: Final = 200  # of what a browser says of itself


class Sessions:
    """Raises `LoginFailed`, `StoreUnavailable`, `Overloaded`."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    async def begin(self, name: str, agent: str, address: str) -> str:
        """A session for a person who has just proved to be `name`; the value of its cookie, always a new one."""
        text, secret = new_secret(name)
        if not await self._store.add(name, secret.digest, agent[:SHOWN_CHARS], address[:SHOWN_CHARS]):
            raise LoginFailed(name)
        return text

    async def of(self, name: str) -> list[Session]:
        return await self._store.of(name)

    async def end(self, name: str, session_id: str) -> bool:
        return await self._store.end(name, session_id)


def session_cookie(base_path: str, *, secure: bool) -> str:
    """The cookie's name. Over TLS its prefix keeps other subdomains from setting one (RFC 6265bis, 4.1.3): `__Host-`
    demands `Path=/`, so below a base path it is `__Secure-`, and the path keeps two servers of a host apart. Over plain
    HTTP, which is for loopback, browsers take neither.
    """
    prefix = "" if not secure else "__Secure-" if base_path else "__Host-"
    return prefix + "lianhua" + base_path.replace("/", ".")


def set_session(value: str, base_path: str, *, secure: bool) -> str:
    """The `Set-Cookie` header; an empty value takes the cookie away."""
    age_s = ABSOLUTE_S if value else 0
    flags = "HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")
    return f"{session_cookie(base_path, secure=secure)}={value}; Path={base_path or '/'}; Max-Age={age_s}; {flags}"
