"""The application: routes, guards and error shapes around an open chat service."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match, Route
from starlette.types import ASGIApp

import lianhua
from lianhua.api import page, problems
from lianhua.api.direct import Direct
from lianhua.api.event_stream import OpenStreams, Streams
from lianhua.api.middleware.access import Access
from lianhua.api.middleware.auth import Authentication
from lianhua.api.middleware.body import Body
from lianhua.api.middleware.csrf import SameSite
from lianhua.api.middleware.head import HeadAsGet
from lianhua.api.middleware.headers import Headers
from lianhua.api.middleware.hosts import Hosts
from lianhua.api.middleware.outside import Outside
from lianhua.api.middleware.rates import Rates
from lianhua.api.routes import (
    admin,
    auth,
    conversations,
    events,
    health,
    messages,
    metrics,
    models,
    oidc,
    personas,
    preferences,
    start,
    transfer,
    turns,
    tutorial,
    usage,
)
from lianhua.api.schemas.operation import ProblemOut
from lianhua.api.services import Services
from lianhua.config.hosts import host_names
from lianhua.config.settings import Settings
from lianhua.metrics import Snapshot, snapshot

# Below `/api`. The framework tries one after another: the first is found 8 % sooner.
ROOMS = (
    turns,
    tutorial,
    messages,
    conversations,
    events,
    models,
    personas,
    preferences,
    start,
    usage,
    transfer,
    auth,
    oidc,
    admin,
)
PAGE_FOLDER = Path(lianhua.__file__).parent / "page"


def create_app(
    services: Services, streams: OpenStreams, settings: Settings, scrape: metrics.Scrape | None = None
) -> ASGIApp:
    """The ASGI application over open `services`. The caller closes it, and the `streams` before it. `scrape` gathers
    what all workers have counted, where there are several.
    """
    app = _routes()
    app.state.services = services
    app.state.settings = settings
    app.state.scrape = scrape or _own_metrics
    app.state.page = page.Page(PAGE_FOLDER)

    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.allowed_origins),
            allow_credentials=True,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["Content-Type", "Idempotency-Key", "Last-Event-ID", "Accept-Language", "Authorization"],
            expose_headers=["X-Request-ID"],
        )
    # Around the framework, not inside: an open stream then keeps nothing of it, see `Streams`.
    # The one body that is larger than memory is read by its route.
    streamed = {transfer.IMPORT_PATH: settings.import_bytes}
    inner: ASGIApp = Body(HeadAsGet(Direct(app, services, settings.allowed_origins)), streamed)
    if services.rate:
        inner = Rates(inner, services.rate)
    if services.accounts:
        inner = Authentication(inner, services.accounts, services.proxy_users, settings.trusted_proxies)
    same_site = SameSite(inner, settings.allowed_origins, tokens_count=services.accounts is not None)
    gate = Hosts(same_site, host_names(settings), (*health.PROBES, metrics.METRICS_PATH))
    guarded = Headers(Access(Streams(gate, streams)), draining=lambda: services.turns.draining)

    def is_route(path: str) -> bool:
        """Also one with a slash too many or too few: the framework leads to the other."""
        other = path.rstrip("/") if path.endswith("/") else f"{path}/"
        return any(problems.route_match(app, {"path": form}, "GET") is not Match.NONE for form in (path, other))

    return Outside(guarded, settings.trusted_proxies, settings.base_path, is_route)


async def _own_metrics() -> Snapshot:
    return snapshot()


def openapi_document() -> dict[str, Any]:
    """What `/openapi.json` says of the routes. It needs nothing that runs."""
    return _routes().openapi()


def route_table() -> list[tuple[str, str]]:
    """Method and path of every route, also of those that the document leaves out."""
    found = [(f"/api{route.path}", route) for room in ROOMS for route in room.router.routes if isinstance(route, Route)]
    bare = (tutorial, health, page)
    found += [(route.path, route) for room in bare for route in room.router.routes if isinstance(route, Route)]
    return [(method, path) for path, route in found for method in sorted(route.methods or ()) if method != "HEAD"]


def _routes() -> FastAPI:
    refusal = {"model": ProblemOut, "content": {"application/problem+json": {}}, "description": "Refused"}
    app = FastAPI(
        title="Lianhua 连话",
        version=lianhua.__version__,
        description="Talk with language models over many turns. Errors are RFC 9457 problems with a stable `code`.",
        docs_url=None,  # the framework's page loads from a CDN; the one of `page` is built in
        redoc_url=None,
        responses={"4XX": refusal, "503": refusal},
    )
    api = APIRouter(prefix="/api")
    for room in ROOMS:
        api.include_router(room.router)
    app.include_router(api)
    app.include_router(tutorial.router, include_in_schema=False)
    app.include_router(health.router)
    app.include_router(metrics.router)
    app.include_router(page.router)
    problems.install(app)
    return app
