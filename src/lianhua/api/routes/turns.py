"""Turns: start, follow, look into, stop."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from starlette.responses import Response

from lianhua.api.deps import BasePath, ConversationId, IdempotencyKey, PriceList, Turn, Turns, User, ViewerLanguage
from lianhua.api.event_stream import EventStream
from lianhua.api.schemas.turns import (
    ContinueBody,
    EditBody,
    NewTurnBody,
    RetryBody,
    SendBody,
    TurnOut,
    TurnStartedOut,
    turn_out,
)
from lianhua.chat.events import Cursor, parse_event_id
from lianhua.store.journal.values import Accepted
from lianhua.streams.viewer import Viewer
from lianhua.turns.planner import Ask
from lianhua.turns.request import Act, Continue, Edit, Retry, Send

router = APIRouter(prefix="/conversations/{conversation_id}/turns", tags=["turns"])


@router.post("", status_code=202, responses={200: {"model": TurnStartedOut, "description": "The same key again"}})
async def start_turn(
    turns: Turns,
    user: User,
    language: ViewerLanguage,
    conversation_id: ConversationId,
    key: IdempotencyKey,
    base_path: BasePath,
    body: NewTurnBody,
    response: Response,
) -> TurnStartedOut:
    """Takes a message, or what is to become of an earlier one, and begins the reply, which goes on whether or not
    anybody follows it.
    """
    ask = Ask(_act(body), language, key, body.role, body.model)
    accepted = await turns.start(user, conversation_id, ask)
    if accepted.repeated:
        response.status_code = 200
    return started_out(accepted, base_path, conversation_id)


def started_out(accepted: Accepted, base_path: str, conversation_id: str) -> TurnStartedOut:
    return TurnStartedOut(
        turn_id=accepted.turn_id,
        user_message_id=accepted.user_message_id,
        reply_message_id=accepted.reply_message_id,
        events_url=f"{base_path}/api/conversations/{conversation_id}/turns/{accepted.turn_id}/events",
    )


def _act(body: NewTurnBody) -> Act:
    match body:
        case SendBody():
            return Send(body.message, body.parent_id)
        case RetryBody():
            return Retry(body.retry)
        case EditBody():
            return Edit(body.edit, body.message)
        case ContinueBody():
            return Continue(body.continue_)


async def viewer_of_turn(
    turns: Turns,
    user: User,
    ref: Turn,
    after: Annotated[
        str | None, Query(max_length=200, description="Like Last-Event-ID, for clients without it")
    ] = None,
    last_event_id: Annotated[str | None, Header(max_length=200)] = None,
) -> Viewer | None:
    cursor_text = last_event_id if last_event_id is not None else after
    if cursor_text is None:
        return await turns.view(user, ref, Cursor.START)
    parsed = parse_event_id(cursor_text)
    cursor = parsed[1] if parsed and parsed[0] == ref.turn_id else Cursor.SNAPSHOT
    return await turns.view(user, ref, cursor)


@router.get(
    "/{turn_id}/events",
    response_class=Response,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        204: {"description": "Over"},
    },
)
async def follow_turn(viewer: Annotated[Viewer | None, Depends(viewer_of_turn)]) -> Response:
    """The turn's events, from the first or after a cursor; 204 where it is over and nothing is missing."""
    if viewer is None:
        return Response(status_code=204)
    return EventStream(viewer)


@router.get("/{turn_id}")
async def read_turn(turns: Turns, prices: PriceList, user: User, ref: Turn) -> TurnOut:
    """How the turn stands, and what of the conversation was sent to the model."""
    view = await turns.turn(user, ref)
    return turn_out(view, await turns.context(ref, view.record), prices)


@router.post("/{turn_id}/stop")
async def stop_turn(turns: Turns, prices: PriceList, user: User, ref: Turn) -> TurnOut:
    """Ends the reply where it is; what came of it is kept. Harmless when repeated."""
    view = await turns.stop(user, ref)
    return turn_out(view, await turns.context(ref, view.record), prices)
