"""What happens to the caller's conversations, as one stream."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from starlette.responses import Response

from lianhua.api.deps import Conversations, User
from lianhua.api.event_stream import EventStream
from lianhua.streams.changes import Feed

router = APIRouter(tags=["conversations"])


async def feed_of_user(
    conversations: Conversations,
    user: User,
    after: Annotated[
        str | None, Query(max_length=200, description="Like Last-Event-ID, for a connection that is not the same one's")
    ] = None,
    last_event_id: Annotated[str | None, Header(max_length=200)] = None,
) -> Feed:
    return await conversations.feed(user, last_event_id if last_event_id is not None else after)


@router.get(
    "/events",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def follow_changes(feed: Annotated[Feed, Depends(feed_of_user)]) -> Response:
    """`conversation` (created, changed, deleted) and `turn` (started, ended) events of all the caller's conversations.

    They hold ids only. One whose `conversation_id` is null says that something was missed: read the list again. `alive`
    comes first where there is nothing else, and after 15 s of silence.
    """
    return EventStream(feed)
