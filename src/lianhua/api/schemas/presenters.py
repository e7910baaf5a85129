"""From the service's values to the bodies of `schemas`."""

from collections.abc import Sequence
from typing import Any

from lianhua.api.schemas.bodies import (
    ContextOut,
    ConversationOut,
    ListedConversationOut,
    MatchOut,
    MessageOut,
    SpentOut,
    TurnOut,
    UsageOut,
)
from lianhua.chat.messages import ContextAccount, Conversation, Spent, Usage
from lianhua.chat.prices import Prices
from lianhua.store.messages import Placed
from lianhua.store.search.query import FoundConversation
from lianhua.turns.service import TurnView


def conversation_out(conversation: Conversation, prices: Prices) -> ConversationOut:
    return ConversationOut(
        id=conversation.id,
        title=conversation.title,
        role=conversation.role,
        model=conversation.model,
        created_at=conversation.created_at,
        updated_at=conversation.updated_at,
        expires_at=conversation.expires_at,
        pinned=conversation.pinned,
        message_count=conversation.message_count,
        running_turn_id=conversation.running_turn_id,
        usage=spent_out(list(conversation.usage.items()), prices),
    )


def listed_out(conversation: Conversation, prices: Prices, **more: Any) -> ListedConversationOut:
    return ListedConversationOut(**dict(conversation_out(conversation, prices)), **more)


def found_out(found: FoundConversation, prices: Prices) -> ListedConversationOut:
    matches = [
        MatchOut(message_id=match.message_id, excerpt=match.excerpt.text, highlights=list(match.excerpt.highlights))
        for match in found.matches
    ]
    return listed_out(found.conversation, prices, matches=matches)


def spent_out(spent: Sequence[tuple[str, Spent]], prices: Prices) -> SpentOut:
    """What several models have used, in one sum."""
    return SpentOut(
        turns=sum(part.turns for _, part in spent),
        prompt_tokens=sum(part.prompt for _, part in spent),
        completion_tokens=sum(part.completion for _, part in spent),
        estimated_tokens=sum(part.estimated for _, part in spent),
        cost=prices.sum(spent),
    )


def message_out(placed: Placed, prices: Prices) -> MessageOut:
    """The message; of its optional fields only those that say something are set."""
    message = placed.message
    optional: dict[str, Any] = {
        "finish_reason": message.finish_reason,
        "code": message.code,
        "reasoning": message.reasoning or None,
        "model": message.model,
        "persona": message.persona,
        "usage": _usage_out(message.usage, message.model, prices),
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


def _usage_out(usage: Usage | None, model: str | None, prices: Prices) -> UsageOut | None:
    """The tokens, with their cost where the model has a price."""
    if usage is None:
        return None
    cost = prices.cost(model or "", usage.prompt_tokens, usage.completion_tokens)
    more: dict[str, Any] = {"cached_tokens": usage.cached_tokens or None, "cost": cost}
    return UsageOut(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        estimated=usage.estimated,
        **{name: value for name, value in more.items() if value is not None},
    )


def turn_out(view: TurnView, context: ContextAccount, prices: Prices) -> TurnOut:
    record = view.record
    usage = record.end.usage if record.end else None
    return TurnOut(
        status=view.status,
        stopping=view.stopping,
        model=record.model,
        role=record.persona,
        code=record.end.code if record.end else None,
        finish_reason=record.end.finish_reason if record.end else None,
        usage=_usage_out(usage, record.model, prices),
        started_at=record.started_at,
        first_token_at=record.first_token_at,
        ended_at=record.ended_at,
        attempts=record.attempts,
        context=ContextOut.model_validate(context),
    )
