"""From the service's values to the bodies of `schemas`."""

from typing import Any

from lianhua.api.schemas import ContextOut, MessageOut, TurnOut, UsageOut
from lianhua.messages import Message
from lianhua.service import TurnView


def message_out(message: Message) -> MessageOut:
    """The message; of its optional fields only those that say something are set."""
    optional: dict[str, Any] = {
        "code": message.code,
        "reasoning": message.reasoning or None,
        "model": message.model,
        "persona": message.persona,
        "usage": UsageOut.model_validate(message.usage) if message.usage else None,
        "turn_id": message.turn_id,
    }
    return MessageOut(
        id=message.id,
        parent_id=message.parent_id,
        role=message.role,
        content=message.content,
        timestamp=message.timestamp,
        status=message.status,
        siblings=[message.id],  # every message has one version so far
        **{name: value for name, value in optional.items() if value is not None},
    )


def turn_out(view: TurnView) -> TurnOut:
    record = view.record
    usage = record.end.usage if record.end else None
    return TurnOut(
        status=view.status,
        model=record.model,
        role=record.persona,
        code=record.end.code if record.end else None,
        usage=UsageOut.model_validate(usage) if usage else None,
        started_at=record.started_at,
        first_token_at=record.first_token_at,
        ended_at=record.ended_at,
        attempts=record.attempts,
        context=ContextOut.model_validate(record.context),
    )
