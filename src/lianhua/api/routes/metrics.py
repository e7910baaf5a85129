"""What the server has counted, for whoever has the operator's token. Without one set there is no such page."""

import hmac
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from lianhua.metrics import Snapshot

METRICS_PATH = "/metrics"
Scrape = Callable[[], Awaitable[Snapshot]]

router = APIRouter(include_in_schema=False)


@router.get(METRICS_PATH)
async def read_metrics(request: Request) -> Response:
    """The text that Prometheus reads, of all workers together."""
    token: str | None = request.app.state.settings.metrics_token
    if token is None:
        raise HTTPException(404)
    if not bears(request.headers.get("authorization", ""), token):
        raise HTTPException(401, headers={"WWW-Authenticate": 'Bearer realm="metrics"'})
    from lianhua.api.metrics_text import CONTENT_TYPE, metrics_text  # noqa: PLC0415  only where it is on

    scrape: Scrape = request.app.state.scrape
    return Response(metrics_text(await scrape()), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})


def bears(authorization: str, token: str) -> bool:
    """Whether an `Authorization` header brings that token; the time taken tells nothing of it."""
    scheme, _, brought = authorization.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(brought.strip().encode(), token.encode())
