"""Conversations, without their messages."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from lianhua.api.deps import Audit, Before, ConversationId, Conversations, Limit, PriceList, Search, User, Wanted
from lianhua.api.event_stream import SOCKET
from lianhua.api.schemas.conversations import (
    ConversationOut,
    ConversationPageOut,
    ConversationPatch,
    NewConversation,
    conversation_out,
    found_out,
    listed_out,
)
from lianhua.store.audit import conversation_mark

router = APIRouter(prefix="/conversations", tags=["conversations"])
T = TypeVar("T")


@router.get("", response_model_exclude_unset=True)
async def list_conversations(
    request: Request,
    conversations: Conversations,
    search: Search,
    prices: PriceList,
    user: User,
    q: Wanted = None,
    before: Before = None,
    limit: Limit = 30,
) -> ConversationPageOut:
    """A page of the caller's conversations, newest activity first; with `q` of those that contain it, whatever the
    case of letters.
    """
    if q and not q.isspace():
        found = await _while_there(request, search.page(user, q, before, limit))
        if found is None:
            return ConversationPageOut(conversations=[], next=None)  # nobody reads it
        return ConversationPageOut(conversations=[found_out(each, prices) for each in found.found], next=found.next)
    page = await conversations.page(user, before, limit)
    listed = [listed_out(conversation, prices) for conversation in page.conversations]
    return ConversationPageOut(conversations=listed, next=page.next)


@router.post("", status_code=201)
async def create_conversation(
    conversations: Conversations, prices: PriceList, user: User, body: NewConversation
) -> ConversationOut:
    return conversation_out(await conversations.create(user, body.role, body.model, body.title), prices)


@router.get("/{conversation_id}")
async def read_conversation(
    conversations: Conversations, prices: PriceList, user: User, conversation_id: ConversationId
) -> ConversationOut:
    return conversation_out(await conversations.get(user, conversation_id), prices)


@router.patch("/{conversation_id}")
async def change_conversation(
    conversations: Conversations,
    prices: PriceList,
    user: User,
    conversation_id: ConversationId,
    body: ConversationPatch,
) -> ConversationOut:
    """Changes what the body names. A pinned conversation never expires and keeps all its messages."""
    model = "" if body.model is None and "model" in body.model_fields_set else body.model
    changed = await conversations.update(
        user, conversation_id, title=body.title, role=body.role, model=model, pinned=body.pinned
    )
    return conversation_out(changed, prices)


@router.delete("/{conversation_id}", status_code=204)
async def delete_conversation(
    conversations: Conversations, user: User, audit: Audit, conversation_id: ConversationId
) -> Response:
    """Removes the conversation with everything in it; a running reply is stopped."""
    await conversations.erase(user, conversation_id, keep_conversation=False)
    await audit.record("erase", target=conversation_mark(conversation_id))
    return Response(status_code=204)


async def _while_there(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """What `work` comes to; None, and it is cancelled, when the client goes before."""
    task = asyncio.create_task(work, name="work for a client")
    extension = request.scope.get("extensions", {}).get(SOCKET)
    socket = extension["socket"] if extension else None
    if socket:
        socket.when_gone(task.cancel)
    try:
        await asyncio.wait([task])
    finally:
        task.cancel()
        if socket:
            socket.when_gone(lambda: None)
    return None if task.cancelled() else task.result()
