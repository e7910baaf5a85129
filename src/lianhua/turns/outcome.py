"""How a turn ended, and the reply that comes of it. Pure."""

from msgspec import Struct

from lianhua.chat.messages import Message, MessageStatus, Usage
from lianhua.chat.turn import Turn, TurnRecord
from lianhua.errors import ModelBadResponse, ModelRefused
from lianhua.turns.running import RunningTurn


class Outcome(Struct, frozen=True):
    """How the model's part ended, before it is written down. `text`, with its `values`, is what people are told where
    that is not what the code says.
    """

    status: MessageStatus
    finish_reason: str
    code: str | None = None
    text: str | None = None
    usage: Usage | None = None
    values: dict[str, str] = {}


class FinishedTurn(Struct, frozen=True):
    """What there is to tell of a turn that has ended, without a text. Times are seconds since 1970, `first_token_s`
    seconds from its beginning, None where nothing was shown.
    """

    turn_id: str
    model: str
    status: MessageStatus
    code: str | None
    usage: Usage | None
    attempts: int
    began_at: float
    ended_at: float
    first_token_s: float | None


def without_text(reason: str, turn: Turn) -> Outcome:
    """The model has ended without a word of a reply."""
    match reason:
        case "length":
            return Outcome("failed", reason, ModelBadResponse.code, "only_thoughts")
        case "content_filter":
            return Outcome("failed", reason, ModelRefused.code, "filtered")
        case "tool_calls" | "function_call":
            return Outcome("failed", reason, ModelBadResponse.code, "only_a_call")
    if turn.reasoning_length or reason != "stop":
        return Outcome("failed", reason, ModelBadResponse.code, "no_answer")
    return Outcome("done", reason)


def failure(turn: Turn, code: str) -> Outcome:
    """Without a text the turn failed; with one it was interrupted, and the text is kept."""
    return Outcome("interrupted", "interrupted", code) if turn.length else Outcome("failed", "error", code)


def reply_of(turn: Turn, record: TurnRecord, outcome: Outcome) -> Message:
    return Message(
        id=record.reply_message_id,
        role="assistant",
        content=turn.text,
        reasoning=turn.reasoning,
        status=outcome.status,
        code=outcome.code,
        model=record.model,
        persona=record.persona,
        usage=outcome.usage,
        finish_reason=outcome.finish_reason,
    )


def usage_of(job: RunningTurn, reported: Usage | None) -> Usage:
    """The provider's figures, else our own count, marked as an estimate."""
    if reported:
        return reported
    text, reasoning = job.goes_on.added(job.turn.text, job.turn.reasoning)
    completion = job.count(text) + job.count(reasoning)
    return Usage(job.prompt.context.used_tokens, completion, estimated=True)
