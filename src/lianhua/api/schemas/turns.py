"""Bodies of turns."""

from typing import Annotated, Any, Final, Literal

from pydantic import Discriminator, Field, Tag

from lianhua.api.deps import Name, PlainText
from lianhua.api.schemas.body import In, Out
from lianhua.api.schemas.usage import UsageOut, usage_out
from lianhua.chat.messages import ContextAccount
from lianhua.chat.prices import Prices
from lianhua.turns.service import TurnView


class _TurnBody(In):
    role: Name | None = None
    model: Name | None = None


class SendBody(_TurnBody):
    """The next message: below `parent_id` ("" is the beginning), else below the newest one."""

    message: PlainText
    parent_id: Annotated[PlainText, Field(max_length=200)] | None = None


class RetryBody(_TurnBody):
    """Another reply beside this one, or one to this message of the user's."""

    retry: Name


class EditBody(_TurnBody):
    """Another message beside this one of the user's: a new branch from there."""

    edit: Name
    message: PlainText


class ContinueBody(_TurnBody):
    """A reply that goes on from where this one was cut."""

    continue_: Annotated[Name, Field(alias="continue")]


_TAG: Final = "~"  # marks the kinds of a body in the places of its faults, where nobody needs them


def _kind_of_turn(body: Any) -> str:
    """By the field that only one kind has; everything else is a message."""
    if isinstance(body, _TurnBody):
        return _TAG + type(body).__name__
    kinds = {"retry": RetryBody, "edit": EditBody, "continue": ContinueBody}
    fields = body if isinstance(body, dict) else {}
    return _TAG + next((kind.__name__ for field, kind in kinds.items() if field in fields), SendBody.__name__)


NewTurnBody = Annotated[
    Annotated[SendBody, Tag(_TAG + "SendBody")]
    | Annotated[RetryBody, Tag(_TAG + "RetryBody")]
    | Annotated[EditBody, Tag(_TAG + "EditBody")]
    | Annotated[ContinueBody, Tag(_TAG + "ContinueBody")],
    Discriminator(_kind_of_turn),
]


class TurnStartedOut(Out):
    turn_id: str
    user_message_id: str
    reply_message_id: str
    events_url: str


class ContextEntryOut(Out):
    id: str
    role: Literal["system", "user", "assistant"]
    tokens: int
    included: bool
    reason: str


class ContextOut(Out):
    budget_tokens: int
    used_tokens: int
    older_left_out: int
    messages: list[ContextEntryOut]


class TurnOut(Out):
    status: Literal["running", "done", "stopped", "failed", "interrupted"]
    stopping: bool
    model: str
    role: str
    code: str | None
    finish_reason: str | None
    usage: UsageOut | None
    started_at: float | None
    first_token_at: float | None
    ended_at: float | None
    attempts: int
    context: ContextOut


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
        usage=usage_out(usage, record.model, prices),
        started_at=record.started_at,
        first_token_at=record.first_token_at,
        ended_at=record.ended_at,
        attempts=record.attempts,
        context=ContextOut.model_validate(context),
    )
