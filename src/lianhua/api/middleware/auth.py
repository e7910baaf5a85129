"""In accounts mode: who is asking, and whether they may, before anything else of a request is looked at.

Every address of data needs a login but those of `PUBLIC`, so a new route is closed until somebody opens it.
"""

import asyncio
from functools import partial
from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lianhua.api.event_stream import WHILE_SENT
from lianhua.api.logged_in import ACCOUNTS_MODE, IDENTITY
from lianhua.api.middleware.csrf import SAFE_METHODS
from lianhua.api.middleware.forwarded import Networks, is_trusted
from lianhua.api.middleware.headers import path_is_data
from lianhua.api.middleware.outside import PEER, route_path
from lianhua.api.problems import language_of, problem_of
from lianhua.auth.accounts import Accounts
from lianhua.auth.identity import UNLIMITED, Identity
from lianhua.auth.proxy_header import ProxyUser, ProxyUsers
from lianhua.auth.secrets import TOKEN, TOKEN_PREFIX
from lianhua.auth.sessions import session_cookie
from lianhua.auth.verifier import Proof, proof_of
from lianhua.errors import Forbidden, InvalidRequest, LianhuaError, NotAuthenticated

PUBLIC: Final = ("/api/auth/login", "/api/auth/logout", "/api/auth/link")
PUBLIC_BELOW: Final = "/api/auth/oidc/"
_STREAMS: Final = ("/chat/stream", "/api/chat/stream")  # a GET that starts a turn
_ADMIN: Final = ("/api/admin/", "/api/models/download")  # what is there for everybody is an administrator's to change
_ACCOUNT: Final = "/api/auth/"
_ME: Final = "/api/auth/me"


class Authentication:
    """Puts the caller's identity into the request's state, or refuses."""

    def __init__(
        self, app: ASGIApp, accounts: Accounts, proxy_users: ProxyUsers | None = None, trusted: Networks = ()
    ) -> None:
        self._app = app
        self._accounts = accounts
        self._proxy_users = proxy_users
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})[ACCOUNTS_MODE] = True
        path = route_path(scope)
        try:
            refuse_tokens_in(scope)
            proxy_user = self._proxy_user(scope)
            if not is_guarded(path) or scope["method"] == "OPTIONS":
                await self._app(scope, receive, send)
                return
            proof = await self._proof(scope, proxy_user)
            identity = await self._accounts.verifier.identify(proof)
            check_permission(identity, scope["method"], path)
            check_named_user(identity, scope["query_string"])
        except LianhuaError as error:
            await problem_of(error, language_of(scope))(scope, receive, send)
            return
        assert proof is not None  # noqa: S101  else nobody would have been identified
        scope["state"][IDENTITY] = identity
        scope["state"][WHILE_SENT] = partial(self._accounts.requests.held, proof)  # a stream ends with the login
        await self._answer(proof, scope, receive, send)

    def _proxy_user(self, scope: Scope) -> ProxyUser | None:
        """Whom the proxy names. Raises `UntrustedHeader` where anybody else does."""
        if not self._proxy_users:
            return None
        trusted = is_trusted(scope["state"].get(PEER), self._trusted)
        return self._proxy_users.header.read(scope["headers"], trusted=trusted)

    async def _proof(self, scope: Scope, user: ProxyUser | None) -> Proof | None:
        """With an `Authorization` the proxy's word counts as little as a cookie: nothing looks at the site then."""
        if user and self._proxy_users and not any(name == b"authorization" for name, _ in scope["headers"]):
            return await self._proxy_users.proof(user)
        return proof_in(scope)

    async def _answer(self, proof: Proof, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, as long as the login holds."""
        begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        requests = self._accounts.requests
        try:
            with requests.held(proof):
                await self._app(scope, receive, send_and_note)
        except asyncio.CancelledError:
            if not requests.was_ended():
                raise
            if not begun:
                await problem_of(NotAuthenticated("ended meanwhile"), language_of(scope))(scope, receive, send)


def is_guarded(path: str) -> bool:
    """Whether the address is of data, which needs a login."""
    return path_is_data(path) and path not in PUBLIC and not path.startswith(PUBLIC_BELOW)


def proof_in(scope: Scope) -> Proof | None:
    """What a request brings to prove who is asking."""
    headers: dict[bytes, bytes] = dict(scope["headers"])
    authorization = headers.get(b"authorization")
    name = session_cookie(scope["root_path"], secure=scope["scheme"] == "https")
    cookie = _cookie(headers.get(b"cookie", b"").decode("latin-1"), name)
    return proof_of(cookie, None if authorization is None else authorization.decode("latin-1"))


def _cookie(header: str, name: str) -> str:
    for pair in header.split(";"):
        found, _, value = pair.strip().partition("=")
        if found == name:
            return value
    return ""


def check_permission(identity: Identity, method: str, path: str) -> None:
    """Raises `Forbidden` where neither the caller's role nor the token's scopes allow it."""
    scopes = identity.scopes
    if path.startswith(_ADMIN):
        allowed = identity.role == "admin" and (scopes == UNLIMITED or "admin" in scopes)
    elif path == _ME or scopes == UNLIMITED:
        allowed = True
    elif path.startswith(_ACCOUNT):
        allowed = False  # what a token could change would outlive it
    else:
        reads = method in SAFE_METHODS and path not in _STREAMS
        allowed = "chat" in scopes or (reads and "read" in scopes)
    if not allowed:
        raise Forbidden("not with this login")


def check_named_user(identity: Identity, query: bytes) -> None:
    """Raises `Forbidden` for a `user_id` that is not the caller's."""
    if b"user_id" not in query and b"%" not in query:
        return
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    if any(name == "user_id" and value != identity.user_id for name, value in pairs):
        raise Forbidden("user_id: not the one who is logged in")


def refuse_tokens_in(scope: Scope) -> None:
    """Raises `InvalidRequest` for a token in an address, where histories keep it, and takes it out for the log."""
    for part in ("query_string", "raw_path"):
        text = unquote_to_bytes(scope.get(part) or b"")
        if TOKEN_PREFIX.encode() in text and TOKEN.search(text.decode("latin-1")):
            scope["path"] = TOKEN.sub("[token]", scope["path"])
            raise InvalidRequest("Authorization", "a token belongs into this header, never into an address; revoke it")
