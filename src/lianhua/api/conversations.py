"""Conversations and their messages."""

from fastapi import APIRouter
from starlette.responses import Response

from lianhua.api.deps import Before, ConversationId, Limit, Service, User
from lianhua.api.schemas import (
    ConversationOut,
    ConversationPageOut,
    ConversationPatch,
    MessagePageOut,
    NewConversation,
)
from lianhua.api.shapes import message_out

router = APIRouter(prefix="/conversations", tags=["conversations"])


@router.get("")
async def list_conversations(
    service: Service, user: User, before: Before = None, limit: Limit = 30
) -> ConversationPageOut:
    """A page of the caller's conversations, newest activity first."""
    return ConversationPageOut.model_validate(await service.page(user, before, limit))


@router.post("", status_code=201)
async def create_conversation(service: Service, user: User, body: NewConversation) -> ConversationOut:
    return ConversationOut.model_validate(await service.create(user, body.role, body.model, body.title))


@router.get("/{conversation_id}")
async def read_conversation(service: Service, user: User, conversation_id: ConversationId) -> ConversationOut:
    return ConversationOut.model_validate(await service.get(user, conversation_id))


@router.patch("/{conversation_id}")
async def change_conversation(
    service: Service, user: User, conversation_id: ConversationId, body: ConversationPatch
) -> ConversationOut:
    """Changes what the body names. A pinned conversation never expires and keeps all its messages."""
    model = "" if body.model is None and "model" in body.model_fields_set else body.model
    changed = await service.update(
        user, conversation_id, title=body.title, role=body.role, model=model, pinned=body.pinned
    )
    return ConversationOut.model_validate(changed)


@router.delete("/{conversation_id}", status_code=204)
async def delete_conversation(service: Service, user: User, conversation_id: ConversationId) -> Response:
    """Removes the conversation with everything in it; a running reply is stopped."""
    await service.erase(user, conversation_id, keep_conversation=False)
    return Response(status_code=204)


@router.get("/{conversation_id}/messages", response_model_exclude_unset=True)
async def list_messages(
    service: Service, user: User, conversation_id: ConversationId, before: Before = None, limit: Limit = 50
) -> MessagePageOut:
    """A page of messages, oldest first within the page; `next` asks for the page before it."""
    page = await service.messages(user, conversation_id, before, limit)
    return MessagePageOut(messages=[message_out(m) for m in page.messages], total=page.total, next=page.next)
