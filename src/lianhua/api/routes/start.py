"""What a page needs before it can stand, in one answer instead of four."""

import asyncio

from fastapi import APIRouter, Request

from lianhua.api.deps import (
    Choices,
    Conversations,
    ModelDownload,
    Models,
    PriceList,
    Search,
    User,
    UserRoles,
    ViewerLanguage,
)
from lianhua.api.routes.conversations import list_conversations
from lianhua.api.routes.models import list_models
from lianhua.api.routes.preferences import read_settings
from lianhua.api.routes.tutorial import list_roles
from lianhua.api.schemas.start import StartOut

CONVERSATIONS = 50
router = APIRouter(prefix="/start", tags=["start"])


@router.get("", response_model_exclude_unset=True)
async def read_start(
    request: Request,
    conversations: Conversations,
    catalog: Models,
    download: ModelDownload,
    search: Search,
    roles: UserRoles,
    choices: Choices,
    prices: PriceList,
    user: User,
    language: ViewerLanguage,
) -> StartOut:
    """Personas, models, the caller's settings and newest conversations, as their own routes give them."""
    personas, models, settings, listed = await asyncio.gather(
        list_roles(roles, user, language),
        list_models(catalog, download, language),
        read_settings(choices, user),
        list_conversations(request, conversations, search, prices, user, limit=CONVERSATIONS),
    )
    return StartOut(roles=personas, models=models, settings=settings, conversations=listed)
