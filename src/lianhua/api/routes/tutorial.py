"""The tutorial's five routes. The same handlers answer with and without `/api`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response

from lianhua.api.deps import (
    Audit,
    Before,
    Conversations,
    KnownUser,
    Name,
    PlainText,
    PriceList,
    SessionId,
    Turns,
    User,
    UserRoles,
    ViewerLanguage,
    known_form,
)
from lianhua.api.event_stream import EventStream, Source
from lianhua.api.middleware.csrf import check_site
from lianhua.api.middleware.head import ForHead, Unfollowed
from lianhua.api.middleware.outside import asked_hosts
from lianhua.api.schemas.messages import HistoryOut, message_out
from lianhua.api.schemas.tutorial import ClearedOut, RoleOut, RolesOut, SessionOut
from lianhua.chat.events import Cursor, parse_event_id
from lianhua.chat.personas import DEFAULT_ROLE, is_own_id
from lianhua.chat.texts import say
from lianhua.chat.turn import TurnRef
from lianhua.conversations.service import ConversationService
from lianhua.errors import InvalidRequest
from lianhua.store.audit import conversation_mark
from lianhua.streams.viewer import Viewer
from lianhua.turns.planner import Ask
from lianhua.turns.request import Send
from lianhua.turns.service import TurnService

router = APIRouter(tags=["tutorial"])


@router.post("/chat/start")
async def start_session(
    conversations: Conversations,
    roles: UserRoles,
    user: User,
    language: ViewerLanguage,
    role: Annotated[Name | None, Query()] = None,
) -> SessionOut:
    """Opens a conversation; its id is the `session_id` of the other calls."""
    conversation = await conversations.create(user, role, None)
    persona = await roles.get_or_default(user, conversation.role)
    return SessionOut(session_id=conversation.id, welcome_message=persona.text(language).welcome)


async def same_site(
    request: Request,
    sec_fetch_site: Annotated[str | None, Header(include_in_schema=False)] = None,
    origin: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> None:
    """This GET changes something, so no other site's page may make a browser send it."""
    check_site(sec_fetch_site, origin, asked_hosts(request.scope), request.app.state.settings.allowed_origins)


async def viewer_of_stream(
    turns: Turns,
    conversations: Conversations,
    user: User,
    language: ViewerLanguage,
    session_id: SessionId,
    for_head: ForHead,
    message: Annotated[PlainText | None, Query(description="Needed unless Last-Event-ID is there")] = None,
    role: Annotated[Name | None, Query(description="The persona; without it, the conversation's")] = None,
    turn_key: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._~-]{1,64}$")] = None,
    last_event_id: Annotated[str | None, Header(max_length=200)] = None,
) -> Source | None:
    """Everything that can refuse, before the first byte. None: over, and nothing is missing."""
    if last_event_id is not None:
        return await _resumed(turns, conversations, user, session_id, last_event_id)
    if message is None:
        raise InvalidRequest("message", "is needed")
    ask = Ask(Send(message), language, turn_key or turns.new_key(), role, joinable=True)
    if for_head:
        await turns.check(user, session_id, ask)
        return Unfollowed()
    accepted = await turns.start_or_join(user, session_id, ask)
    return await turns.view(user, TurnRef(session_id, accepted.turn_id))


async def _resumed(
    turns: TurnService, conversations: ConversationService, user: str, session_id: str, last_event_id: str
) -> Viewer | None:
    """Goes on where the id says. One that is not parsed follows what runs, from a snapshot, and starts nothing."""
    if parsed := parse_event_id(last_event_id):
        turn_id, cursor = parsed
        return await turns.view(user, TurnRef(session_id, turn_id), cursor)
    conversation = await conversations.get(user, session_id)
    if conversation.running_turn_id is None:
        return None
    return await turns.view(user, TurnRef(session_id, conversation.running_turn_id), Cursor.SNAPSHOT)


@router.get(
    "/chat/stream",
    dependencies=[Depends(same_site)],
    response_class=Response,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        204: {"description": "Over"},
    },
)
async def stream_reply(viewer: Annotated[Source | None, Depends(viewer_of_stream)]) -> Response:
    """Sends a message and streams the reply as server-sent events. A reconnect never asks the model again."""
    if viewer is None:
        return Response(status_code=204)
    return EventStream(viewer)


@router.get("/chat/history", response_model_exclude_unset=True)
async def read_history(
    conversations: Conversations,
    prices: PriceList,
    user: User,
    session_id: SessionId,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    before: Before = None,
) -> HistoryOut:
    """The newest messages of a conversation, oldest first."""
    page = await conversations.messages(user, session_id, before, limit)
    messages = [message_out(placed, prices) for placed in page.messages]
    return HistoryOut(messages=messages, total=page.kept)


@router.delete("/chat/history/{session_id}")
async def clear_history(
    conversations: Conversations, user: User, audit: Audit, language: ViewerLanguage, session_id: str
) -> ClearedOut:
    """Removes every message; a running reply is stopped. The conversation itself stays and can go on, empty."""
    await conversations.erase(user, known_form(session_id), keep_conversation=True)
    await audit.record("erase", target=conversation_mark(session_id), messages_only=True)
    return ClearedOut(message=say("history_cleared", language))


@router.get("/roles")
async def list_roles(roles: UserRoles, user: KnownUser, language: ViewerLanguage) -> RolesOut:
    """The personas to talk with: the server's, then the caller's own."""
    shown = {}
    for persona in await roles.all(user):
        text = persona.text(language)
        shown[persona.id] = RoleOut(
            name=text.name,
            icon=persona.icon,
            description=text.description,
            prompt=text.prompt.strip(),
            welcome=text.welcome,
            suggestions=list(text.suggestions),
            model=persona.model,
            own=is_own_id(persona.id),
        )
    return RolesOut(roles=shown, default_role=DEFAULT_ROLE)
