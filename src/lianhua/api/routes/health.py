"""Whether the process is alive, and whether it can take work."""

from typing import Final

from fastapi import APIRouter

from lianhua.api.deps import Open
from lianhua.api.schemas.operation import HealthOut
from lianhua.errors import Draining, StoreUnavailable

PROBES: Final = ("/healthz", "/readyz")
router = APIRouter(tags=["operation"])


@router.get("/healthz")
async def healthz() -> HealthOut:
    return HealthOut(status="ok")


@router.get("/readyz")
async def readyz(services: Open) -> HealthOut:
    """503 while shutting down or while the store is away."""
    if services.turns.draining:
        raise Draining("shutting down")
    if not await services.store.takes_writes():
        raise StoreUnavailable("takes no writes")
    return HealthOut(status="ready")
