"""The messages of a conversation: pages of its current branch, other branches, pins."""

from typing import Annotated

from fastapi import APIRouter, Path

from lianhua.api.deps import Before, ConversationId, Conversations, Limit, PriceList, User
from lianhua.api.schemas.conversations import ConversationOut, conversation_out
from lianhua.api.schemas.messages import BranchBody, MessageOut, MessagePageOut, MessagePatch, message_out

router = APIRouter(prefix="/conversations/{conversation_id}", tags=["conversations"])


@router.get("/messages", response_model_exclude_unset=True)
async def list_messages(
    conversations: Conversations,
    prices: PriceList,
    user: User,
    conversation_id: ConversationId,
    before: Before = None,
    limit: Limit = 50,
) -> MessagePageOut:
    """A page of the current branch, oldest first within the page; `next` asks for the page before it."""
    page = await conversations.messages(user, conversation_id, before, limit)
    messages = [message_out(placed, prices) for placed in page.messages]
    return MessagePageOut(messages=messages, total=page.total, dropped=page.dropped, next=page.next)


@router.patch("/messages/{message_id}", response_model_exclude_unset=True)
async def change_message(
    conversations: Conversations,
    prices: PriceList,
    user: User,
    conversation_id: ConversationId,
    message_id: Annotated[str, Path(description="A message's id", max_length=200)],
    body: MessagePatch,
) -> MessageOut:
    """Pins a message, or lets it go. A pinned one is kept as long as its conversation, and is in every prompt of its
    branch with room for it.
    """
    placed = await conversations.pin_message(user, conversation_id, message_id, pinned=body.pinned)
    return message_out(placed, prices)


@router.patch("/branch")
async def change_branch(
    conversations: Conversations, prices: PriceList, user: User, conversation_id: ConversationId, body: BranchBody
) -> ConversationOut:
    """Makes the branch of a message the current one, down to its newest message."""
    return conversation_out(await conversations.switch_branch(user, conversation_id, body.message_id), prices)
