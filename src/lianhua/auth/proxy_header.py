"""Who a proxy in front says is asking: it has logged the person in, and names them in a header. No HTTP."""

import time
from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct

from lianhua.auth.accounts import Accounts
from lianhua.auth.secrets import Secret
from lianhua.auth.verifier import REMEMBERED_S, Proof
from lianhua.errors import UntrustedHeader

HEADER_CHARS: Final = 4_096
GROUPS: Final = 200  # of a person: as many as a server can have
MOST_REMEMBERED: Final = 10_000  # then all are forgotten: each is looked up once more


class ProxyUser(Struct, frozen=True):
    """`groups` None: the proxy says nothing of them."""

    name: str
    groups: tuple[str, ...] | None = None


class ProxyHeader(Struct, frozen=True):
    """The names of the headers, in lower case."""

    user: str
    groups: str | None = None

    def read(self, headers: Iterable[tuple[bytes, bytes]], *, trusted: bool) -> ProxyUser | None:
        """None where the proxy names nobody. Raises `UntrustedHeader` where it is not `trusted`, or sends a header
        twice: one of the two may be the client's own.
        """
        found: dict[str, str] = {}
        for raw_name, raw_value in headers:
            # Some servers in between read an underscore as a dash.
            name = raw_name.decode("latin-1").lower().replace("_", "-")
            if name not in (self.user, self.groups):
                continue
            if not trusted or name in found or len(raw_value) > HEADER_CHARS:
                raise UntrustedHeader(name)
            found[name] = raw_value.decode("latin-1").strip()
        user = found.get(self.user, "")
        if not user:
            return None
        said = found.get(self.groups) if self.groups else None
        groups = None if said is None else tuple(part.strip() for part in said.split(",") if part.strip())[:GROUPS]
        return ProxyUser(user.lower(), groups)


class ProxyUsers:
    """Makes the account of a person whom the proxy names for the first time. Raises what `Accounts.admit` raises."""

    def __init__(self, header: ProxyHeader, accounts: Accounts, clock: Callable[[], float] = time.monotonic) -> None:
        self.header = header
        self._accounts = accounts
        self._clock = clock
        self._known: dict[ProxyUser, float] = {}

    async def proof(self, user: ProxyUser) -> Proof:
        """What the person proves themselves with from here on."""
        if self._known.get(user, 0.0) <= self._clock():
            await self._accounts.admit(user.name, None, user.groups, None)
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[user] = self._clock() + REMEMBERED_S
        return Proof("p", Secret(user.name, ""))
