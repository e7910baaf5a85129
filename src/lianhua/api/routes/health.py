"""Whether the process is alive, and whether it can take work."""

from typing import Final

from fastapi import APIRouter, Request

from lianhua.api.deps import Service
from lianhua.api.schemas.bodies import HealthOut
from lianhua.errors import Draining, StoreUnavailable

PROBES: Final = ("/healthz", "/readyz")
router = APIRouter(tags=["operation"])


@router.get("/healthz")
async def healthz() -> HealthOut:
    return HealthOut(status="ok")


@router.get("/readyz")
async def readyz(request: Request, service: Service) -> HealthOut:
    """503 while shutting down or while the store is away."""
    if service.draining:
        raise Draining("shutting down")
    if not await request.app.state.store.takes_writes():
        raise StoreUnavailable("takes no writes")
    return HealthOut(status="ready")
