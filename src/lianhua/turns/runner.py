"""Runs one turn: from the model's deltas to the journal, and to exactly one end."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import aclosing

import msgspec
from msgspec import Struct

from lianhua.chat.events import Notice
from lianhua.chat.messages import Message
from lianhua.chat.texts import say
from lianhua.errors import (
    ContextTooLong,
    MessageTooLong,
    ModelBadResponse,
    ModelError,
    ModelRefused,
    ModelUnavailable,
    PrefillRefused,
)
from lianhua.metrics import FIRST_TOKEN, PROMPT_TOKENS, REPLY_TOKENS, TURNS
from lianhua.models.port import (
    Corrected,
    Finish,
)
from lianhua.models.tries import RETRY_S as REPEAT_S
from lianhua.models.tries import Tries
from lianhua.turns.deltas import event_of, joined, without_overlap
from lianhua.turns.outcome import FinishedTurn, Outcome, failure, reply_of, usage_of, without_text
from lianhua.turns.running import Asking, RunningTurn
from lianhua.turns.writer import TurnGone, TurnWriter, check

logger = logging.getLogger(__name__)


class ReplyLimits(Struct, frozen=True):
    """When a reply is too much: `seconds` for the whole of it, `chars` of text and reasoning together. A request that
    failed is repeated within `retry_s` seconds.
    """

    seconds: float
    chars: int
    retry_s: float = REPEAT_S


class HandOver(Exception):
    """The server stops, and nothing of the reply was shown: another worker begins anew."""


class TurnRunner:
    """Knows how a turn runs; keeps nothing of any."""

    def __init__(
        self, writer: TurnWriter, limits: ReplyLimits, ended: Callable[[FinishedTurn], None] | None = None
    ) -> None:
        """`ended` hears of each turn that was ended here."""
        self._writer = writer
        self._limits = limits
        self._ended = ended

    async def run(self, job: RunningTurn) -> bool:
        """Asks the model, writes the journal, ends the turn: whether it has ended, and is not another worker's to end.

        Raises nothing but a bug of ours, and even then the turn ends.
        """
        ref = job.turn.ref
        live = self._writer.live(ref)
        try:
            try:
                outcome = await self._model_part(job)
            except TurnGone as gone:
                logger.info("turn %s: no longer ours: %s", ref.turn_id, gone)
                return False
            except HandOver:
                await self._writer.hand_over(job)
                return False
            except asyncio.CancelledError:
                raise
            except Exception:
                logger.exception("turn %s: a bug in Lianhua", ref.turn_id)
                outcome = failure(job.turn, "internal")
            return await self._end(job, outcome)
        finally:
            self._writer.close(ref, live)

    async def _model_part(self, job: RunningTurn) -> Outcome:
        try:
            async with asyncio.timeout(self._limits.seconds) as limit:
                job.within(limit)
                await self._open(job)
                return await self._ask_one_after_another(job, Tries(seconds=self._limits.retry_s))
        except TimeoutError:
            match job.stop_reason:
                case "stopped":
                    return Outcome("stopped", "stopped")
                case "server_stopping":
                    return Outcome("interrupted", "interrupted", "server_stopping")
                case "handed_over" if job.unseen:
                    raise HandOver from None
                case "handed_over":  # its first piece was on its way
                    return Outcome("interrupted", "interrupted", "server_stopping")
                case "gone":
                    raise TurnGone("taken over, erased, or its lease has run out") from None
            return failure(job.turn, "model_timeout")
        except ModelError as exc:
            logger.warning("turn %s: %s: %s", job.turn.ref.turn_id, exc.code, exc)
            return msgspec.structs.replace(failure(job.turn, exc.code), text=exc.text or None, values=exc.values)
        finally:
            job.outside()

    async def _open(self, job: RunningTurn) -> None:
        """What viewers see before the model is asked."""
        if job.opening:
            await self._writer.replace_record(job)
            await self._writer.write(job, job.turn.notice(job.opening))
            if not job.unseen and job.turn.reasoning_length:  # of the try before: it was seen, so it stays
                await self._writer.write(job, job.turn.reasoning_piece("\n\n"))
        await self._log_continuation(job)

    async def _ask_one_after_another(self, job: RunningTurn, tries: Tries) -> Outcome:
        """Asks the model, and in its place the others, as long as nothing was shown."""
        while True:
            tries.kept_back = len(job.fallbacks)
            try:
                outcome = await self._ask_in_other_words(job, tries)
            except ModelError as exc:
                if not job.unseen or (other := _next_asking(job)) is None:
                    raise
                why = f"{exc.code}: {exc}"
            else:
                if outcome.status != "failed" or not job.unseen or (other := _next_asking(job)) is None:
                    return outcome
                why = f"{outcome.code}: {outcome.finish_reason}"
            logger.warning("turn %s: %s; %s is asked", job.turn.ref.turn_id, why, other.model.info.id)
            info = other.model.info
            await self._ask_anew(job, other)
            text = say("fallback", job.language, model=info.name)
            await self._writer.write(job, job.turn.notice(Notice("fallback", text, model=info.id)))

    async def _ask_in_other_words(self, job: RunningTurn, tries: Tries) -> Outcome:
        """Asks one model, and again where it refuses how it was asked: with less of the conversation, for the rest of a
        reply that it does not go on with by itself, or without the questions that got no reply.
        """
        try:
            return await self._ask(job, tries)
        except ContextTooLong:
            if not job.unseen:
                raise
            smaller = job.asking.shrink(job.prompt)
            await self._ask_anew(job, msgspec.structs.replace(job.asking, prompt=smaller))
            notice = Notice("context_too_long", say("window_shrunk", job.language))
            await self._writer.write(job, job.turn.notice(notice))
        except PrefillRefused:
            if not job.unseen:
                raise
            await self._ask_anew(job, job.asking.again())
        except ModelRefused:
            # A question that is refused for what it says has no reply, and is not to take those after it along.
            other = job.asking.answered_only(job.prompt) if job.unseen else None
            if other is None:
                raise
            await self._ask_anew(job, msgspec.structs.replace(job.asking, prompt=other))
            notice = Notice("unanswered_left_out", say("unanswered_left_out", job.language))
            await self._writer.write(job, job.turn.notice(notice))
        return await self._ask(job, tries)

    async def _ask_anew(self, job: RunningTurn, asking: Asking) -> None:
        """Puts down what is asked from now on: the model that answers is the reply's, and its prompt the account's."""
        record = job.record
        asked = record.asked or (record.model if asking.model.info.id != record.model else None)
        job.ask_with(asking)
        job.record = msgspec.structs.replace(
            record,
            model=asking.model.info.id,
            asked=asked,
            context=asking.prompt.report,
            attempts=record.attempts + 1,
        )
        await self._writer.replace_record(job)

    async def _log_continuation(self, job: RunningTurn) -> None:
        """What the reply goes on with, as far as an earlier worker has not logged it."""
        goes_on, turn = job.goes_on, job.turn
        if goes_on.reasoning and not turn.reasoning_length and not turn.length:
            await self._writer.write(job, turn.reasoning_piece(goes_on.opening_reasoning))
        if goes_on.text and not turn.length:
            await self._writer.write(job, turn.text_piece(goes_on.text))

    async def _ask(self, job: RunningTurn, tries: Tries) -> Outcome:
        turn = job.turn
        finish: Finish | None = None
        begun = turn.length, turn.reasoning_length
        nothing_yet = job.unseen
        options = msgspec.structs.replace(job.options, tries=tries)
        async with aclosing(job.model.stream(job.prompt, options)) as batches:
            async for batch in batches:
                # Whatever arrives while an append is on its way, or the turn rests, is the next batch.
                for delta in joined(batch):
                    if isinstance(delta, Corrected):
                        await self._correct(job, delta, *begun)
                    elif (new := without_overlap(job, delta)) and (event := event_of(job, new)):
                        await self._writer.write(job, event)
                if nothing_yet and not job.unseen:
                    nothing_yet = False
                    job.first_token_s = asyncio.get_running_loop().time() - job.begun_at_s
                    FIRST_TOKEN.observe(job.first_token_s)
                if isinstance(batch[-1], Finish):
                    finish = batch[-1]
                if turn.length + turn.reasoning_length >= self._limits.chars:
                    return Outcome("stopped", "length", text="reply_too_long")
        if job.overlap and (rest := job.overlap.close()):
            await self._writer.write(job, turn.text_piece(rest))
        if finish is None:
            if job.unseen:
                raise ModelBadResponse("the answer ended before it began")
            if not turn.length:
                raise ModelUnavailable("the answer broke off in its reasoning")
            return Outcome("interrupted", "interrupted", ModelUnavailable.code, "reply_cut")
        outcome = without_text(finish.reason, turn) if not turn.length else Outcome("done", finish.reason)
        return msgspec.structs.replace(outcome, usage=usage_of(job, finish.usage))

    async def _correct(self, job: RunningTurn, corrected: Corrected, text_chars: int, reasoning_chars: int) -> None:
        """Replaces what this stream has given, behind what was there before it; every viewer gets a snapshot."""
        turn = job.turn
        if job.overlap:
            job.overlap.close()  # what it held back is a part of what is replaced
        event = turn.restate(
            turn.text[:text_chars] + corrected.text, turn.reasoning[:reasoning_chars] + corrected.reasoning
        )
        # Seen through, also when a stop comes meanwhile: the journal and the turn would not be the same any more.
        replacing = asyncio.create_task(self._writer.replace(job, event), name=f"correct turn {turn.ref.turn_id}")
        try:
            met = await asyncio.shield(replacing)
        except asyncio.CancelledError:
            await asyncio.wait((replacing,))
            check(replacing.result(), job)
            raise
        check(met, job)

    async def _end(self, job: RunningTurn, outcome: Outcome) -> bool:
        turn = job.turn
        if outcome.usage is None and turn.length:
            outcome = msgspec.structs.replace(outcome, usage=usage_of(job, None))
        text = outcome.text or outcome.code
        message = say(text, job.language, **outcome.values) if text else None
        end = turn.end(outcome.status, outcome.finish_reason, code=outcome.code, message=message, usage=outcome.usage)
        reply = reply_of(turn, job.record, outcome)
        try:
            fate = await self._writer.finish(job, end, reply)
        except TurnGone as gone:  # past our lease another worker seals what the journal has
            logger.error("turn %s: its end could not be written: %s", turn.ref.turn_id, gone)
            return False
        live = self._writer.live(turn.ref)
        if fate == "ok":
            job.reply = reply
            _count(reply)
            if self._ended:
                self._ended(_finished(job, reply))
            if live:
                live.publish(end)
        logger.info("turn %s: %s, %d characters", turn.ref.turn_id, outcome.code or outcome.status, turn.length)
        return fate != "fenced"


def _finished(job: RunningTurn, reply: Message) -> FinishedTurn:
    now = time.time()
    began_at = now - (asyncio.get_running_loop().time() - job.begun_at_s)
    return FinishedTurn(
        job.turn.ref.turn_id, reply.model or "", reply.status, reply.code, reply.usage, job.record.attempts, began_at,
        now, job.first_token_s,
    )  # fmt: skip


def _count(reply: Message) -> None:
    TURNS.add(reply.status, reply.code or "")
    if reply.usage:
        model = reply.model or ""
        PROMPT_TOKENS.add(model, amount=reply.usage.prompt_tokens)
        REPLY_TOKENS.add(model, amount=reply.usage.completion_tokens)


def _next_asking(job: RunningTurn) -> Asking | None:
    """What the next model is asked with for which the question is not too long."""
    while job.fallbacks and job.stop_reason is None:
        build = job.fallbacks.pop(0)
        try:
            return build()
        except MessageTooLong:
            continue
    return None
