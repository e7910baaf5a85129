"""Bodies of messages, and of the branch that is current."""

from typing import Any, Literal

from lianhua.api.deps import Name
from lianhua.api.schemas.body import In, Out
from lianhua.api.schemas.usage import UsageOut, usage_out
from lianhua.chat.prices import Prices
from lianhua.store.messages import Placed


class BranchBody(In):
    message_id: Name


class MessagePatch(In):
    pinned: bool


class MessageOut(Out):
    id: str
    parent_id: str | None
    role: Literal["user", "assistant"]
    content: str
    timestamp: float
    status: Literal["done", "stopped", "failed", "interrupted"]
    finish_reason: str | None = None
    code: str | None = None
    reasoning: str | None = None
    model: str | None = None
    persona: str | None = None
    usage: UsageOut | None = None
    turn_id: str | None = None
    pinned: bool | None = None
    dropped_before: int | None = None
    siblings: list[str]


class MessagePageOut(Out):
    """`total` counts all messages that the branch ever had, `dropped` those between these that retention has taken."""

    messages: list[MessageOut]
    total: int
    dropped: int
    next: str | None


class HistoryOut(Out):
    messages: list[MessageOut]
    total: int


def message_out(placed: Placed, prices: Prices) -> MessageOut:
    """The message; of its optional fields only those that say something are set."""
    message = placed.message
    optional: dict[str, Any] = {
        "finish_reason": message.finish_reason,
        "code": message.code,
        "reasoning": message.reasoning or None,
        "model": message.model,
        "persona": message.persona,
        "usage": usage_out(message.usage, message.model, prices),
        "turn_id": message.turn_id,
        "pinned": placed.pinned or None,
        "dropped_before": placed.dropped_before or None,
    }
    return MessageOut(
        id=message.id,
        parent_id=message.parent_id,
        role=message.role,
        content=message.content,
        timestamp=message.timestamp,
        status=message.status,
        siblings=list(placed.siblings),
        **{name: value for name, value in optional.items() if value is not None},
    )
