"""From what a model sends to a turn's events: pure, but for the turn that moves on by each."""

from collections.abc import Sequence
from itertools import groupby

import msgspec

from lianhua.chat.events import Notice
from lianhua.chat.texts import say
from lianhua.chat.turn import Numbered
from lianhua.models.port import (
    Corrected,
    Delta,
    Finish,
    PictureLeftOut,
    Queued,
    ReasoningDelta,
    Retrying,
    TextDelta,
)
from lianhua.turns.running import RunningTurn


def joined(batch: Sequence[Delta]) -> Sequence[Delta]:
    """The batch with neighbouring pieces of the same kind made one."""
    if len(batch) == 1:
        return batch
    result: list[Delta] = []
    for kind, run in groupby(batch, type):
        deltas = list(run)
        if len(deltas) > 1 and (kind is TextDelta or kind is ReasoningDelta):
            result.append(kind("".join(delta.text for delta in deltas)))  # type: ignore[union-attr]  # of that kind
        else:
            result += deltas
    return result


def without_overlap(job: RunningTurn, delta: Delta) -> Delta | None:
    """The delta without what only repeats the end of a reply that goes on after a cut."""
    if job.overlap and isinstance(delta, TextDelta):
        new = job.overlap.feed(delta.text)
        return TextDelta(new) if new else None
    return delta


def event_of(job: RunningTurn, delta: Delta) -> Numbered | None:
    """The turn's next event for a delta; what ends the stream is none yet."""
    turn, language = job.turn, job.language
    match delta:
        case TextDelta():
            return turn.text_piece(delta.text)
        case ReasoningDelta():
            return turn.reasoning_piece(delta.text)
        case Retrying():
            job.record = msgspec.structs.replace(job.record, attempts=job.record.attempts + 1)
            text = say("retrying", language, attempt=delta.attempt, attempts=delta.attempts)
            return turn.notice(Notice(delta.code, text, round(delta.retry_in_s, 1)))
        case Queued():
            return turn.notice(Notice("queued", say("queued", language, ahead=delta.ahead)))
        case PictureLeftOut():
            return turn.notice(Notice("picture_left_out", say("picture_left_out", language)))
        case Finish() | Corrected():  # the latter is more than an event
            return None
