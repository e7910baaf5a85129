"""What a running turn writes into the journal: events, records, its end. Nothing else of a turn speaks to it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from lianhua.chat.messages import Message, Usage
from lianhua.chat.texts import say
from lianhua.chat.turn import Numbered, Turn, TurnRef
from lianhua.errors import Unavailable
from lianhua.metrics import TURNS
from lianhua.store.client.retry import WRITE_AGAIN_S, patiently
from lianhua.store.journal.log import TurnJournal
from lianhua.store.journal.values import Claim, Fate
from lianhua.streams.commit import GroupCommit
from lianhua.streams.live import LiveTurn
from lianhua.turns.outcome import Outcome, failure, reply_of
from lianhua.turns.running import RunningTurn

logger = logging.getLogger(__name__)


class TurnGone(Exception):
    """The turn is no longer this worker's: it was erased, sealed, or taken over. Nothing more may be written."""


class TurnWriter:
    """Keeps nothing of any turn."""

    def __init__(self, journal: TurnJournal, commit: GroupCommit) -> None:
        self._journal = journal
        self._commit = commit

    def live(self, ref: TurnRef) -> LiveTurn | None:
        """The turn as its viewers in this process see it."""
        return self._commit.live(ref.turn_id)

    def close(self, ref: TurnRef, live: LiveTurn | None) -> None:
        """The turn runs here no more."""
        self._commit.close(ref, live)

    async def write(self, job: RunningTurn, event: Numbered) -> None:
        """Logs an event and shows it. Raises `TurnGone`; a stop that the journal brings back ends the model's part."""
        logged = self._commit.append(job.turn.ref, event)
        stopped: asyncio.CancelledError | None = None
        try:
            await logged.rested()
        except asyncio.CancelledError as exc:
            # A stop came while the event was on its way. What the journal has, the reply must have too, so its fate
            # counts.
            await logged.known()
            stopped = exc
        met = logged.fate
        if isinstance(met, Unavailable) or (isinstance(met, Exception) and stopped):
            # Our lease has run out with the store away. Whoever reads the turn next seals it with what the journal has.
            raise TurnGone("the store is away")
        if isinstance(met, Exception):
            raise met
        assert met is not None  # noqa: S101  it is known by now
        if met == "behind":
            met = await self._restore(job, event, job.turn.text, job.turn.reasoning)
        if met in ("ok", "stop"):
            job.acknowledge(event)
        check(met, job)
        if stopped:
            raise stopped

    async def replace(self, job: RunningTurn, event: Numbered) -> Fate:
        """Puts the turn's texts in the place of what was shown; `event` is the snapshot that says so."""
        turn = job.turn

        async def restore() -> Fate:
            return await self._commit.restore(turn.ref, event, turn.text, turn.reasoning, job.losses)

        fate = await self._patiently(restore)
        if fate in ("ok", "stop"):
            job.acknowledge(event)
        return fate

    async def replace_record(self, job: RunningTurn) -> None:
        """Stores the record as it is by now."""
        ref, epoch, record = job.turn.ref, job.turn.epoch, job.record
        check(await self._patiently(lambda: self._journal.replace_record(ref, epoch, record)), job)

    async def put_back(self, job: RunningTurn) -> Fate:
        """The store has lost the latest events of a running turn: gives it what it had acknowledged.

        Raises `TurnGone` where it does not take that either.
        """
        if not (had := job.acknowledged):
            raise TurnGone("the store has lost all of it")
        text, reasoning = job.turn.text[: had.text_chars], job.turn.reasoning[: had.reasoning_chars]
        return await self._restore(job, had.event, text, reasoning)

    async def _restore(self, job: RunningTurn, event: Numbered, text: str, reasoning: str) -> Fate:
        logger.warning("turn %s: the store had lost its latest events, they are put back", job.turn.ref.turn_id)

        async def restore() -> Fate:
            return await self._commit.restore(job.turn.ref, event, text, reasoning, job.losses)

        return await self._patiently(restore)

    async def finish(self, job: RunningTurn, end: Numbered, reply: Message) -> Fate:
        """Stores end, reply and record. Raises `TurnGone` when the lease may be another worker\'s by then."""

        async def store() -> Fate:
            return await self._journal.finish(job.turn.ref, end, reply, job.record)

        fate = await self._patiently(store)
        if fate == "behind":
            await self.put_back(job)
            fate = await self._patiently(store)
            assert fate != "behind", f"turn {job.turn.ref.turn_id}: the reply is not what was shown"  # noqa: S101
        if fate == "ended" and await self._is_our_end(job, end):
            return "ok"
        return fate

    async def seal(self, ref: TurnRef, claim: Claim, usage: Usage | None) -> Message:
        """Ends a turn that was taken over, what its viewers saw kept as the reply, which comes back."""
        turn = Turn(ref, claim.epoch, next_seq=1, text=claim.text, reasoning=claim.reasoning)
        outcome = Outcome("stopped", "stopped") if claim.stopped else failure(turn, "worker_lost")
        outcome = msgspec.structs.replace(outcome, usage=usage)
        text = say(outcome.code, claim.record.language) if outcome.code else None
        end = turn.end(outcome.status, outcome.finish_reason, code=outcome.code, message=text, usage=usage)
        reply = reply_of(turn, claim.record, outcome)
        if await self._journal.finish(ref, end, reply, claim.record) == "ok":
            TURNS.add(reply.status, reply.code or "")
        logger.warning("turn %s: sealed as %s, its worker was lost", ref.turn_id, outcome.status)
        return reply

    async def hand_over(self, job: RunningTurn) -> None:
        """Ends the lease now, so that another worker begins the turn anew."""
        try:
            await self._journal.release(job.turn.ref, job.turn.epoch)
            logger.info("turn %s: handed over, nothing of it was shown", job.turn.ref.turn_id)
        except Unavailable:
            logger.info("turn %s: its lease runs out by itself", job.turn.ref.turn_id)

    async def _patiently(self, step: Callable[[], Awaitable[Fate]]) -> Fate:
        """Repeats a step until the store takes it. Raises `TurnGone` when the lease may be another worker's by then."""
        began_s = asyncio.get_running_loop().time()
        try:
            return await patiently(step, lambda: self._commit.out_of_patience(began_s), WRITE_AGAIN_S)
        except Unavailable as exc:
            raise TurnGone("the store is away") from exc

    async def _is_our_end(self, job: RunningTurn, end: Numbered) -> bool:
        """Whether a turn that has ended already was ended by us, the answer having been lost on its way."""
        try:
            ended = await self._journal.ended(job.turn.ref)
        except Unavailable:
            return False
        return ended is not None and ended[1].end_cursor == end.cursor


def check(fate: Fate, job: RunningTurn) -> None:
    """Acts on what the journal brought back."""
    if fate == "stop":
        job.stop("stopped")
    elif fate != "ok":
        raise TurnGone(fate)
