"""The journal of turns: what the design promises, as typed calls over the scripts.

Nothing here keeps state: any process may call anything about any turn.
"""

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from lianhua.chat.events import Cursor, End, from_log, parse_cursor, to_log
from lianhua.chat.messages import Message
from lianhua.chat.turn import Numbered, TurnRecord, TurnRef
from lianhua.errors import (
    ConversationNotFound,
    IdempotencyMismatch,
    InvalidRequest,
    MessageErased,
    TurnNotFound,
    Unavailable,
)
from lianhua.store.client.client import Keyed, StoreClient
from lianhua.store.client.keys import ConversationKeys
from lianhua.store.client.scripts import Argument, Script, is_outage, translated
from lianhua.store.conversations import Retention
from lianhua.store.journal.leases import LEASE_S
from lianhua.store.journal.values import (
    Accepted,
    Append,
    Busy,
    Claim,
    EventPage,
    Fate,
    Held,
    Moved,
    NewTurn,
    Renewed,
    SnapshotPage,
    StopAsked,
    TurnState,
    Unknown,
)
from lianhua.store.records import read_record, stored_record
from lianhua.store.stored_message import message_body

logger = logging.getLogger(__name__)

LOG_EVENTS: Final = 512  # older ones are trimmed: a viewer that far behind is served sooner by a snapshot
PAGE_EVENTS: Final = 256
# Events in one call of the script, which shares its fixed cost: 20 % less CPU of the store than with one each, and the
# store is not kept from others for more than a millisecond.
BUNDLE_EVENTS: Final = 64
LINGER_S: Final = 600  # how long the log of an ended turn can still be replayed; afterwards the reply itself serves
JOIN_S: Final = LINGER_S  # how long a turn is joined whose end nobody was given: a browser comes back within seconds

_encode = msgspec.json.Encoder().encode


class TurnJournal:
    """Raises `StoreUnavailable` or `Overloaded` where the store does not take or give. `worker` names this process."""

    def __init__(self, database: StoreClient, retention: Retention, worker: str) -> None:
        self._database = database
        self._retention = retention
        self.worker = worker
        self._bundle_events = BUNDLE_EVENTS if database.slots_mix else 1
        self._accept, self._append, self._finish = Script("accept"), Script("append"), Script("finish")
        self._renew, self._account, self._claim = Script("renew"), Script("account"), Script("claim")
        self._stop, self._read = Script("stop"), Script("read")
        self._release, self._restore, self._given = Script("release"), Script("restore"), Script("given")

    def lane(self, ref: TurnRef) -> str:
        """Which server holds the turn: appends of one lane share their round trips."""
        return self._database.lane(_append_keys(ref)[0])

    async def accept(self, turn: NewTurn) -> Accepted | Busy | Moved | Unknown:
        """Stores the user's message and opens the turn, or changes nothing. The same body joins the turn before, where
        both are `joinable`, nobody was given its end, and nothing came after it.

        Raises `ConversationNotFound`, `IdempotencyMismatch` when the key was used for another body, `MessageErased`
        when what came of it was cleared within the last day, and `InvalidRequest` when the message that the turn hangs
        on has been dropped.
        """
        keys = ConversationKeys(turn.ref.conversation_id)
        args: list[Argument] = [
            turn.owner,
            turn.ref.turn_id,
            turn.record.key,
            turn.body_hash,
            "*" if turn.expected_head is None else turn.expected_head,
            turn.question.parent_id or "",
            turn.beside,
            turn.question.id,
            b"" if turn.answered_again else message_body(turn.question),
            turn.record.reply_message_id,
            self.worker,
            LEASE_S,
            to_log(turn.first_event.event)[1],
            stored_record(turn.record),
            turn.title,
            self._retention.seconds,
            self._retention.messages,
            JOIN_S if turn.record.joinable else "",
            int(turn.known_only),
        ]
        names = [*keys.lasting, keys.erased, keys.log(turn.ref.turn_id)]
        answer = await self._database.run(self._accept, names, args, durable=True)
        match answer[0]:
            case b"accepted" | b"same" as outcome:
                turn_id, user, reply, updated_at = (part.decode() for part in answer[1:5])
                return Accepted(turn_id, user, reply, outcome == b"same", "" if outcome == b"same" else updated_at)
            case b"repeated":
                turn_id, opened = answer[1].decode(), read_record(answer[2])
                # Our own turn id under our own key: the first call's answer was lost on the way. If that took long,
                # another worker may have begun it meanwhile.
                own = turn_id == turn.ref.turn_id and answer[3] == b"1"
                updated_at = answer[4].decode() if own else ""
                return Accepted(turn_id, opened.user_message_id, opened.reply_message_id, not own, updated_at)
            case b"busy":
                turn_id, user, reply = (part.decode() for part in answer[1:4])
                return Busy(turn_id, user, reply, same_body=answer[4] == b"1", lost=answer[5] == b"1")
            case b"moved":
                return Moved()
            case b"unknown":
                return Unknown()
            case b"mismatch":
                raise IdempotencyMismatch(turn.ref.turn_id)
            case b"erased":
                raise MessageErased(turn.ref.turn_id)
            case b"no_message":
                raise InvalidRequest("message_id", "no such message in this conversation")
        raise ConversationNotFound(turn.ref.conversation_id)

    async def append(self, batch: Sequence[Append]) -> list[Fate | Exception]:
        """Logs one event of each of many turns in one round trip; what became of each, in order.

        An exception in the list is that event's alone; `StoreUnavailable` and `Overloaded` pass.
        """
        size = self._bundle_events
        bundles = [batch[start : start + size] for start in range(0, len(batch), size)]
        answers = await self._database.run_each(self._append, [*map(self._append_call, bundles)], durable=True)
        fates: list[Fate | Exception] = []
        for bundle, answer in zip(bundles, answers, strict=True):
            if not isinstance(answer, Exception):
                fates += [_FATES[fate] if isinstance(fate, bytes) else self._failed(fate) for fate in answer]
            elif isinstance(answer, Unavailable) or len(bundle) == 1:
                fates += [answer] * len(bundle)
            else:  # a proxy in front of several servers, perhaps, that calls itself one
                logger.warning("the store takes one conversation a call: %s", answer)
                self._bundle_events = 1
                fates += await self.append(bundle)
        return fates

    def _failed(self, error: Exception) -> Exception:
        if is_outage(error):
            self._database.nodes.doubt()
        return translated(error)

    def _append_call(self, bundle: Sequence[Append]) -> Keyed:
        keys: list[str] = []
        args: list[Argument] = [self.worker, LEASE_S, LOG_EVENTS]
        for append in bundle:
            meta, log, text, reasoning = _append_keys(append.ref)
            cursor, kind = append.cursor, append.kind
            keys += (meta, log, reasoning if kind == b"r" else text)
            args += (append.ref.turn_id, cursor.epoch, cursor.seq, kind, append.value)
        return keys, args

    async def restore(self, append: Append, text: str, reasoning: str, losses: int = 0) -> Fate:
        """Replaces what the store has of a turn: it has lost something, or what was shown is put right. `append` is the
        latest event, the texts contain it.
        """
        keys = ConversationKeys(append.ref.conversation_id)
        args: list[Argument] = [
            append.ref.turn_id,
            append.cursor.epoch,
            self.worker,
            append.cursor.seq,
            append.kind,
            append.value,
            text,
            reasoning,
            LEASE_S,
            losses,
        ]
        names = [keys.meta, *keys.working(append.ref.turn_id)]
        return _fate(await self._database.run(self._restore, names, args, durable=True))

    async def renew(self, turns: Sequence[tuple[TurnRef, int]]) -> list[Renewed | Exception]:
        """Keeps the leases of turns with their epochs, also of those that have nothing to append; what each met."""
        calls: list[Keyed] = [
            ([ConversationKeys(ref.conversation_id).meta], [ref.turn_id, epoch, self.worker, LEASE_S])
            for ref, epoch in turns
        ]
        answers = await self._database.run_each(self._renew, calls)
        return [
            answer
            if isinstance(answer, Exception)
            else Renewed(_fate(answer), int(answer[2]) if len(answer) > 2 else None)
            for answer in answers
        ]

    async def release(self, ref: TurnRef, epoch: int) -> None:
        """Ends the lease of a turn now: its worker, whose epoch it is, hands it over."""
        meta = ConversationKeys(ref.conversation_id).meta
        await self._database.run(self._release, [meta], [ref.turn_id, epoch, self.worker, 0])

    async def replace_record(self, ref: TurnRef, epoch: int, record: TurnRecord) -> Fate:
        """Replaces what is kept of a running turn."""
        keys = ConversationKeys(ref.conversation_id)
        args: list[Argument] = [ref.turn_id, epoch, self.worker, stored_record(record)]
        return _fate(await self._database.run(self._account, [keys.meta, keys.turns], args))

    async def finish(self, ref: TurnRef, end: Numbered, reply: Message, record: TurnRecord) -> Fate:
        """Ends the turn and stores its reply. "ended" when it had ended before, by this call's lost first try or
        otherwise; "behind", and no change, when what was appended is not, byte for byte, the reply.
        """
        assert isinstance(end.event, End)  # noqa: S101
        keys = ConversationKeys(ref.conversation_id)
        whole = msgspec.structs.replace(record, end=end.event, end_cursor=end.cursor)
        args: list[Argument] = [
            ref.turn_id,
            end.cursor.epoch,
            self.worker,
            end.cursor.seq,
            to_log(end.event)[1],
            reply.id,
            message_body(reply),
            stored_record(whole),
            len(reply.content.encode()),
            len(reply.reasoning.encode()),
            self._retention.seconds,
            self._retention.messages,
            LINGER_S,
            record.model,
            reply.usage.prompt_tokens if reply.usage else 0,
            reply.usage.completion_tokens if reply.usage else 0,
            "1" if reply.usage and reply.usage.estimated else "0",
        ]
        names = [*keys.lasting, *keys.working(ref.turn_id)]
        return _fate(await self._database.run(self._finish, names, args, durable=True))

    async def stop(self, ref: TurnRef, owner: str) -> StopAsked:
        """Raises the stop flag of a running turn. Raises `ConversationNotFound`, `TurnNotFound`."""
        keys = ConversationKeys(ref.conversation_id)
        answer = await self._database.run(self._stop, [keys.meta, keys.turns], [owner, ref.turn_id], durable=True)
        _check(answer, ref)
        if answer[0] == b"ended":
            return StopAsked("ended", "")
        return StopAsked("lost" if answer[1] == b"1" else "running", answer[2].decode())

    async def stopping(self, ref: TurnRef) -> bool:
        """Whether a running turn was asked to stop."""
        (values,) = await self._database.ask(("HMGET", ConversationKeys(ref.conversation_id).meta, "t.id", "t.stop"))
        return bool(values == [ref.turn_id.encode(), b"1"])

    async def claim(self, ref: TurnRef) -> Claim | Held | None:
        """Takes over a turn whose lease has run out, unless somebody holds it; None when it has ended or was erased."""
        keys = ConversationKeys(ref.conversation_id)
        names = [keys.meta, keys.text(ref.turn_id), keys.reasoning(ref.turn_id), keys.turns]
        answer = await self._database.run(self._claim, names, [ref.turn_id, self.worker, LEASE_S], durable=True)
        if answer[0] == b"held":
            return Held(float(answer[1]))
        if answer[0] != b"claimed":
            return None
        owner, epoch, losses, stop, text, reasoning, record = answer[1:]
        return Claim(
            owner.decode(),
            int(epoch),
            int(losses),
            stop == b"1",
            text.decode(),
            reasoning.decode(),
            read_record(record),
        )

    async def given(self, ref: TurnRef) -> None:
        """Somebody was given the end of a `joinable` turn: it is joined no more."""
        await self._database.run(self._given, [ConversationKeys(ref.conversation_id).meta], [ref.turn_id])

    async def ended(self, ref: TurnRef) -> tuple[str, TurnRecord] | None:
        """Whose a turn is that has ended, and its record; None where it runs or there is none."""
        keys = ConversationKeys(ref.conversation_id)
        owner, value = await self._database.ask(("HGET", keys.meta, "owner"), ("HGET", keys.turns, ref.turn_id))
        if owner is None or value is None:
            return None
        record = read_record(value)
        return (owner.decode(), record) if record.end else None

    async def read(self, ref: TurnRef, owner: str, after: Cursor) -> EventPage | SnapshotPage:
        """What comes after a cursor: events, or a snapshot where the log does not reach back to it.

        `Cursor.START` asks for every event, `Cursor.SNAPSHOT` for the text so far. Raises `ConversationNotFound`,
        `TurnNotFound`.
        """
        keys = ConversationKeys(ref.conversation_id)
        names = [keys.meta, keys.turns, *keys.working(ref.turn_id)]
        epochs = (Cursor.START.epoch, Cursor.SNAPSHOT.epoch)
        args: list[Argument] = [owner, ref.turn_id, after.epoch, after.seq, PAGE_EVENTS, *epochs]
        # Where writes have to be durable, nothing is shown that is not: another worker may have written it a moment
        # ago.
        answer = await self._database.run(self._read, names, args, durable=True)
        _check(answer, ref)
        state: TurnState = answer[0].decode()
        record = read_record(answer[1])
        match answer[2]:
            case b"events":
                return EventPage(state, record, tuple(_numbered(entry) for entry in answer[3]))
            case b"snapshot":
                cursor = parse_cursor(answer[3].decode())
                end = Numbered(cursor, from_log(b"e", answer[6])) if answer[6] else None
                texts = answer[4].decode(), answer[5].decode()
                return SnapshotPage(state, record, cursor, *texts, end, ahead=answer[7] == b"1")
        if (
            record.end is None or record.end_cursor is None
        ):  # a running turn without its log: nobody will write it again
            return SnapshotPage(state, record, Cursor(0, 0), None, None, None)
        end = Numbered(record.end_cursor, record.end)
        if after == record.end_cursor:
            return EventPage(state, record, ())
        return SnapshotPage(state, record, record.end_cursor, None, None, end)


def _numbered(entry: tuple[bytes, list[bytes]]) -> Numbered:
    cursor, (kind, value) = entry
    return Numbered(parse_cursor(cursor.decode()), from_log(kind, value))


@lru_cache(maxsize=4096)  # of every turn that runs here: making the names anew costs 2 µs an event
def _append_keys(ref: TurnRef) -> tuple[str, str, str, str]:
    keys = ConversationKeys(ref.conversation_id)
    return keys.meta, keys.log(ref.turn_id), keys.text(ref.turn_id), keys.reasoning(ref.turn_id)


_FATES: Final[dict[bytes, Fate]] = {
    b"ok": "ok", b"stop": "stop", b"ended": "ended", b"fenced": "fenced", b"behind": "behind",
}  # fmt: skip


def _fate(answer: list[Any]) -> Fate:
    if answer[0] == b"ok":
        return "stop" if len(answer) > 1 and answer[1] == b"1" else "ok"
    if answer[0] == b"behind":
        return "behind"
    return "fenced" if answer[0] == b"fenced" else "ended"


def _check(answer: list[Any], ref: TurnRef) -> None:
    if answer[0] == b"missing":
        raise ConversationNotFound(ref.conversation_id)
    if answer[0] == b"no_turn":
        raise TurnNotFound(ref.turn_id)
