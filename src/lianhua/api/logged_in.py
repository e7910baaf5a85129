"""Where the middleware that knows who is asking leaves it for the routes."""

from typing import Any, Final

from lianhua.auth.identity import Identity
from lianhua.errors import NotAuthenticated

IDENTITY: Final = "lianhua.identity"  # in a request's state
ACCOUNTS_MODE: Final = "lianhua.accounts"  # in it too: without an identity nobody is let in


def identity_in(state: dict[str, Any]) -> Identity | None:
    """Who was let in; None in open mode. Raises `NotAuthenticated` in accounts mode for nobody."""
    found: Identity | None = state.get(IDENTITY)
    if found is None and state.get(ACCOUNTS_MODE):
        raise NotAuthenticated("nobody")
    return found
