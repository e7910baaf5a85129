"""Logging in and out at an OpenID provider: a browser is sent there and comes back. In accounts mode only."""

import hashlib
import logging
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from lianhua.api.deps import Open, OpenAccounts
from lianhua.api.middleware.auth import proof_in
from lianhua.api.middleware.outside import asked_hosts
from lianhua.api.routes.auth import Caller
from lianhua.api.schemas.oidc import ProviderLogoutOut, ProviderOut, ProvidersOut
from lianhua.api.services import Services
from lianhua.auth.sessions import session_cookie
from lianhua.errors import NotFound, OidcRefused
from lianhua.store.pending_logins import PENDING_S

if TYPE_CHECKING:  # it brings an HTTP client
    from lianhua.auth.oidc import Oidc

logger = logging.getLogger(__name__)

QUERY_CHARS: Final = 8_192  # of what a provider sends back
router = APIRouter(prefix="/auth/oidc", tags=["auth"])
ProviderName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="The name of a provider")]
ReturnTo = Annotated[str, Query(max_length=501, description="A path of this server, where the login leads")]


@router.get("/providers")
async def list_providers(services: Open) -> ProvidersOut:
    """Where people may log in, for the buttons of the login page."""
    found = services.oidc.providers if services.oidc else []
    return ProvidersOut(providers=[ProviderOut(name=one.name, label=one.label) for one in found])


@router.get("/{provider}/start", status_code=302)
async def start_login(request: Request, services: Open, provider: ProviderName, return_to: ReturnTo = "/") -> Response:
    """Leads the browser to the provider."""
    begun = await _oidc(services).begin(provider, _callback(request, provider), return_to)
    response = RedirectResponse(begun.address, 302)
    _keep(request, response, begun.cookie)
    return response


@router.get("/{provider}/callback", status_code=302)
async def finish_login(
    request: Request, services: Open, accounts: OpenAccounts, browser: Caller, provider: ProviderName
) -> Response:
    """Where the provider leads the browser back to: begins a session, always a new one."""
    oidc = _oidc(services)
    pairs = request.query_params.multi_items()
    query = dict(pairs)
    if len(query) != len(pairs) or len(request.url.query) > QUERY_CHARS:
        raise OidcRefused("the query")
    try:
        finished = await oidc.finish(provider, query, request.cookies.get(_cookie_name(request), ""))
    except OidcRefused as error:
        logger.warning("a login at %s was refused: %s", provider, error)
        raise
    person = finished.person
    groups = person.groups or None
    identity = "oidc:" + hashlib.sha256(f"{person.issuer}\0{person.subject}".encode()).hexdigest()
    name = await accounts.admit(person.name, identity, groups, person.is_admin)
    cookie = await accounts.sessions.begin(name, browser.agent, browser.address)
    await accounts.logout(proof_in(request.scope))
    browser.keep(cookie)
    response = RedirectResponse(request.scope["root_path"] + finished.return_to, 302)
    _keep(request, response, "")
    return response


@router.post("/{provider}/logout")
async def end_login(
    request: Request, services: Open, accounts: OpenAccounts, browser: Caller, provider: ProviderName
) -> ProviderLogoutOut:
    """Ends the session here; `address` is where the browser ends the provider's, None where that has no such place."""
    await accounts.logout(proof_in(request.scope))
    browser.keep("")
    address = await _oidc(services).logout_address(provider, _outside(request) + "/")
    return ProviderLogoutOut(address=address or None)


def _oidc(services: Services) -> "Oidc":
    if services.oidc is None:
        raise NotFound("provider")
    return services.oidc


def _outside(request: Request) -> str:
    """The server's own address as the browser has it; its name was looked at before, see `middleware/hosts`."""
    root_path: str = request.scope["root_path"]
    return f"{request.scope['scheme']}://{asked_hosts(request.scope)[-1]}{root_path}"


def _callback(request: Request, provider: str) -> str:
    return f"{_outside(request)}/api/auth/oidc/{provider}/callback"


def _cookie_name(request: Request) -> str:
    return session_cookie(request.scope["root_path"], secure=request.scope["scheme"] == "https") + "-login"


def _keep(request: Request, response: Response, value: str) -> None:
    """The cookie of a login that has begun; an empty value takes it away."""
    flags = "HttpOnly; SameSite=Lax" + ("; Secure" if request.scope["scheme"] == "https" else "")
    path = request.scope["root_path"] or "/"
    age_s = PENDING_S if value else 0
    response.headers.append("set-cookie", f"{_cookie_name(request)}={value}; Path={path}; Max-Age={age_s}; {flags}")
