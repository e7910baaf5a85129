"""Logging in and out, one-time links, the caller's own sessions, tokens and password. In accounts mode only."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from lianhua.api.deps import CallerIdentity, OpenAccounts
from lianhua.api.middleware.auth import proof_in
from lianhua.api.schemas.auth import (
    LinkBody,
    LinkOut,
    LoginBody,
    MeOut,
    NewTokenOut,
    PasswordBody,
    SessionOut,
    SessionsOut,
    TokenBody,
    TokenOut,
    TokensOut,
)
from lianhua.auth.sessions import set_session
from lianhua.config.settings import DAY_S
from lianhua.errors import InvalidRequest, NotFound
from lianhua.store.tokens import Token

router = APIRouter(prefix="/auth", tags=["auth"])
ShortId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]


class Browser:
    """What a browser says of itself, and the cookie that it gets."""

    def __init__(self, request: Request) -> None:
        self._scope = request.scope
        self.agent = "".join(char for char in request.headers.get("user-agent", "") if char.isprintable())
        self.address = request.client.host if request.client else ""

    def keep(self, cookie: str) -> None:
        """Sends the session's cookie with the answer; an empty one takes it away."""
        secure = self._scope["scheme"] == "https"
        self._scope["state"]["set_cookie"] = set_session(cookie, self._scope["root_path"], secure=secure)


async def get_browser(request: Request) -> Browser:
    return Browser(request)


Caller = Annotated[Browser, Depends(get_browser)]


@router.post("/login", status_code=204)
async def log_in(request: Request, accounts: OpenAccounts, browser: Caller, body: LoginBody) -> Response:
    """Begins a session, always a new one; that of the cookie which came along ends."""
    cookie = await accounts.login(body.name, body.password, browser.agent, browser.address)
    await accounts.logout(proof_in(request.scope))
    browser.keep(cookie)
    return Response(status_code=204)


@router.post("/logout", status_code=204)
async def log_out(request: Request, accounts: OpenAccounts, browser: Caller) -> Response:
    """Ends the session, with all streams that are open in it. Harmless when repeated."""
    await accounts.logout(proof_in(request.scope))
    browser.keep("")
    return Response(status_code=204)


@router.post("/link")
async def use_link(accounts: OpenAccounts, browser: Caller, body: LinkBody) -> LinkOut:
    """Uses a one-time link or an invite: sets the password and begins a session. Without a password, only looks."""
    link = await accounts.read_link(body.link)
    if body.password is not None:
        if link.name is None and body.name is None:
            raise InvalidRequest("name", "is needed with an invite")
        name = link.name or body.name or ""
        browser.keep(await accounts.accept(body.link, name, body.password, browser.agent, browser.address))
        return LinkOut(name=name.lower())
    return LinkOut(name=link.name)


@router.get("/me")
async def read_me(identity: CallerIdentity) -> MeOut:
    """Who is logged in."""
    scopes = sorted(identity.scopes)
    return MeOut(name=identity.user_id, role=identity.role, group=identity.group, scopes=scopes)


@router.post("/password", status_code=204)
async def change_password(
    accounts: OpenAccounts, identity: CallerIdentity, browser: Caller, body: PasswordBody
) -> Response:
    """Changes the password and ends all sessions; the caller gets a new one."""
    name = identity.user_id
    browser.keep(await accounts.change_password(name, body.old, body.new, browser.agent, browser.address))
    return Response(status_code=204)


@router.get("/sessions")
async def list_sessions(accounts: OpenAccounts, identity: CallerIdentity) -> SessionsOut:
    """Where the caller is logged in, the newest first."""
    sessions = [SessionOut.model_validate(one) for one in await accounts.sessions.of(identity.user_id)]
    return SessionsOut(sessions=[one.model_copy(update={"current": one.id == identity.session_id}) for one in sessions])


@router.delete("/sessions/{session_id}", status_code=204)
async def end_session(accounts: OpenAccounts, identity: CallerIdentity, session_id: ShortId) -> Response:
    """Logs the caller out there."""
    if not await accounts.end_session(identity.user_id, session_id):
        raise NotFound("session")
    return Response(status_code=204)


@router.get("/tokens")
async def list_tokens(accounts: OpenAccounts, identity: CallerIdentity) -> TokensOut:
    """The caller's API tokens, the newest first, without what they let in with."""
    return TokensOut(tokens=[token_out(token) for token in await accounts.tokens.of(identity.user_id)])


@router.post("/tokens", status_code=201)
async def make_token(accounts: OpenAccounts, identity: CallerIdentity, body: TokenBody) -> NewTokenOut:
    """A new token, sent as `Authorization: Bearer`; it is shown this once."""
    made = await accounts.tokens.make(identity.user_id, body.name, sorted(set(body.scopes)), (body.days or 0) * DAY_S)
    return NewTokenOut(**token_out(made.token).model_dump(), token=made.text)


@router.delete("/tokens/{token_id}", status_code=204)
async def revoke_token(accounts: OpenAccounts, identity: CallerIdentity, token_id: ShortId) -> Response:
    if not await accounts.revoke_token(identity.user_id, token_id):
        raise NotFound("token")
    return Response(status_code=204)


def token_out(token: Token) -> TokenOut:
    return TokenOut.model_validate(token)
