"""The journal's promises on a real Valkey server."""

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis

from lianhua.chat.context_report import ContextReport
from lianhua.chat.events import Cursor, End, TextPiece, TurnStarted
from lianhua.chat.messages import Conversation, Message
from lianhua.chat.turn import Numbered, Turn, TurnRecord, TurnRef
from lianhua.config.store_url import parse_address
from lianhua.errors import ConversationNotFound, IdempotencyMismatch, StoreUnavailable, TurnNotFound
from lianhua.store.changes import Change
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import ConversationKeys, erased_key, list_keys
from lianhua.store.client.topology import Nodes
from lianhua.store.conversations import LOOK_EVERY, ConversationStore, Retention
from lianhua.store.journal.leases import LEASE_S
from lianhua.store.journal.log import LOG_EVENTS, PAGE_EVENTS, TurnJournal
from lianhua.store.journal.values import (
    Accepted,
    Append,
    Busy,
    Claim,
    EventPage,
    Held,
    Moved,
    NewTurn,
    Renewed,
    SnapshotPage,
    StopAsked,
)
from lianhua.store.messages import MessageStore, Placed
from lianhua.store.open import open_nodes
from tests.support.servers.proxy import Proxy
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import HANGS_S, until

OWNER = "ann"
WEEK_S = 7 * 86_400
CONVERSATION = "5f0c5a0e-0000-4000-8000-000000000001"
OTHER = "5f0c5a0e-0000-4000-8000-000000000002"
ACCOUNT = ContextReport(100, 10, 0)


@dataclass
class Stores:
    """Journal and conversations on one server, and a conversation to talk in."""

    client: Redis
    nodes: Nodes
    retention: Retention = field(default_factory=lambda: Retention(WEEK_S, 50))

    def __post_init__(self) -> None:
        self.database = StoreClient(self.nodes)
        self.journal = TurnJournal(self.database, self.retention, "worker")
        self.conversations = ConversationStore(self.database, self.retention)
        self.branches = MessageStore(self.database)

    async def messages(self) -> list[Message]:
        """The newest ten of the current branch, the oldest first."""
        return [placed.message for placed in (await self.branches.page(CONVERSATION, OWNER, None, 10)).messages]

    async def open(self, number: int, *, head: str | None = None, key: str | None = None, body: str = "body") -> Turn:
        turn = Turn(TurnRef(CONVERSATION, f"{number:x}"))
        answer = await self.journal.accept(new_turn(turn, number, head, key or f"key{number}", body))
        assert isinstance(answer, Accepted), answer
        return turn

    async def write(self, turn: Turn, *texts: str) -> None:
        for text in texts:
            assert await self.journal.append([Append.of(turn.ref, turn.text_piece(text))]) == ["ok"]

    async def finish(self, turn: Turn, number: int) -> Numbered:
        end = turn.end("done", "stop")
        assert await self.journal.finish(turn.ref, end, reply(turn, number), record(number)) == "ok"
        return end


def record(number: int, key: str = "") -> TurnRecord:
    return TurnRecord(f"u{number}", f"r{number}", "model", "assistant", ACCOUNT, key=key or f"key{number}")


def reply(turn: Turn, number: int) -> Message:
    return Message(f"r{number}", "assistant", turn.text, reasoning=turn.reasoning)


def new_turn(turn: Turn, number: int, head: str | None, key: str, body: str) -> NewTurn:
    question = Message(f"u{number}", "user", f"question {number}", parent_id=head)
    started = turn.start(f"u{number}", f"r{number}", "model")
    return NewTurn(
        turn.ref, OWNER, body, question, record(number, key), started, f"title {number}", expected_head=head or ""
    )


@pytest.fixture
async def stores(client: Redis, nodes: Nodes) -> Stores:
    stores = Stores(client, nodes)
    await stores.conversations.create(CONVERSATION, OWNER, "assistant", None, "")
    return stores


async def test_a_turn_from_question_to_reply(stores: Stores) -> None:
    turn = await stores.open(1)
    await stores.write(turn, "你", "好")
    end = await stores.finish(turn, 1)
    page = await stores.journal.read(turn.ref, OWNER, Cursor.START)
    assert isinstance(page, EventPage)
    assert page.state == "ended"
    assert [type(n.event) for n in page.events] == [TurnStarted, TextPiece, TextPiece, End]
    assert page.events[-1] == end
    assert page.record.end == end.event
    assert page.record.started_at is not None
    assert page.record.started_at <= (page.record.first_token_at or 0) <= (page.record.ended_at or 0)
    question, answer = await stores.messages()
    assert (question.content, answer.content, answer.parent_id, answer.turn_id) == ("question 1", "你好", "u1", "1")
    assert (await stores.conversations.get(CONVERSATION, OWNER)).running_turn_id is None


async def test_every_cursor_gets_exactly_the_rest(stores: Stores) -> None:
    turn = await stores.open(1)
    await stores.write(turn, *"abcdef")
    await stores.finish(turn, 1)
    everything = await stores.journal.read(turn.ref, OWNER, Cursor.START)
    assert isinstance(everything, EventPage)
    for place, event in enumerate(everything.events):
        rest = await stores.journal.read(turn.ref, OWNER, event.cursor)
        assert isinstance(rest, EventPage)
        assert rest.events == everything.events[place + 1 :]


async def test_a_resend_is_harmless_and_a_gap_in_time_too(stores: Stores) -> None:
    turn = await stores.open(1)
    piece = turn.text_piece("once")
    for _ in range(3):
        assert await stores.journal.append([Append.of(turn.ref, piece)]) == ["ok"]
    await stores.write(turn, " more")
    assert await stores.journal.append([Append.of(turn.ref, piece)]) == ["ok"]
    end = turn.end("done", "stop")
    assert await stores.journal.finish(turn.ref, end, reply(turn, 1), record(1)) == "ok"
    assert await stores.journal.finish(turn.ref, end, reply(turn, 1), record(1)) == "ended"
    page = await stores.journal.read(turn.ref, OWNER, Cursor.START)
    assert isinstance(page, EventPage)
    assert "".join(n.event.content for n in page.events if isinstance(n.event, TextPiece)) == "once more"
    assert sum(isinstance(n.event, End) for n in page.events) == 1


async def test_nothing_is_written_after_the_end(stores: Stores) -> None:
    turn = await stores.open(1)
    await stores.write(turn, "a")
    late = Numbered(Cursor(1, 9), TextPiece("late"))
    await stores.finish(turn, 1)
    assert await stores.journal.append([Append.of(turn.ref, late)]) == ["ended"]
    assert await stores.journal.renew([(turn.ref, 1)]) == [Renewed("ended", None)]
    assert (await stores.messages())[-1].content == "a"


async def test_a_reply_that_is_not_what_was_shown_is_refused(stores: Stores) -> None:
    turn = await stores.open(1)
    await stores.write(turn, "shown")
    turn.text_piece("never appended")
    end = turn.end("done", "stop")
    assert await stores.journal.finish(turn.ref, end, reply(turn, 1), record(1)) == "behind"
    assert (await stores.conversations.get(CONVERSATION, OWNER)).running_turn_id == turn.ref.turn_id


async def test_what_a_store_has_lost_is_put_back(stores: Stores) -> None:
    turn = await stores.open(1)
    await stores.write(turn, "a", "b", "c")
    # As after a failover to a replica that had not received the last two events.
    meta, log, text = (f"lianhua:{{{CONVERSATION}}}{part}" for part in ("", ":log:1", ":text:1"))
    await stores.client.hset(meta, "t.seq", "1")
    await stores.client.xdel(log, "1-2", "1-3")
    await stores.client.set(text, "a", keepttl=True)
    ahead = await stores.journal.read(turn.ref, OWNER, Cursor(1, 3))
    assert isinstance(ahead, SnapshotPage)
    assert (ahead.ahead, ahead.text) == (True, "a")
    assert await stores.journal.renew([(turn.ref, 1)]) == [Renewed("ok", 1)]

    piece = turn.text_piece("d")
    append = Append.of(turn.ref, piece)
    assert await stores.journal.append([append]) == ["behind"]
    for _ in range(2):  # a repetition changes nothing
        assert await stores.journal.restore(append, turn.text, "") == "ok"
    rest = await stores.journal.read(turn.ref, OWNER, Cursor(1, 3))
    assert isinstance(rest, EventPage)
    assert rest.events == (piece,)
    late = await stores.journal.read(turn.ref, OWNER, Cursor(1, 1))
    assert isinstance(late, SnapshotPage)
    assert (late.text, late.cursor) == ("abcd", Cursor(1, 4))
    await stores.write(turn, "e")
    await stores.finish(turn, 1)
    assert (await stores.messages())[-1].content == "abcde"


async def test_what_was_shown_can_be_put_right(stores: Stores) -> None:
    turn = await stores.open(1)
    await stores.write(turn, "thoughts", " and more")
    seen = Cursor(1, 2)
    snapshot = turn.restate("", "thoughts and more")
    for _ in range(2):  # a repetition changes nothing
        assert await stores.journal.restore(Append.of(turn.ref, snapshot), turn.text, turn.reasoning) == "ok"
    await stores.write(turn, "the answer")
    rest = await stores.journal.read(turn.ref, OWNER, seen)
    assert isinstance(rest, EventPage)
    assert [event.event for event in rest.events] == [snapshot.event, TextPiece("the answer")]
    for late in (Cursor.START, Cursor(1, 1)):
        page = await stores.journal.read(turn.ref, OWNER, late)
        assert isinstance(page, SnapshotPage)
        assert (page.text, page.reasoning, page.cursor) == ("the answer", "thoughts and more", Cursor(1, 4))
    await stores.finish(turn, 1)
    stored = (await stores.messages())[-1]
    assert (stored.content, stored.reasoning) == ("the answer", "thoughts and more")


async def test_a_takeover_that_the_store_has_lost_is_put_back(stores: Stores) -> None:
    turn = await stores.open(1)
    await stores.write(turn, "first ")
    meta = f"lianhua:{{{CONVERSATION}}}"
    await stores.client.hset(meta, "t.lease", "1")
    heir_journal = TurnJournal(stores.database, stores.retention, "heir")
    claim = await heir_journal.claim(turn.ref)
    assert isinstance(claim, Claim)
    heir = Turn(turn.ref, claim.epoch, next_seq=1, text=claim.text)
    piece = heir.text_piece("second ")
    assert await heir_journal.append([Append.of(turn.ref, piece)]) == ["ok"]
    # As after a failover to a replica that had heard nothing of the heir.
    await stores.client.hset(meta, mapping={"t.epoch": "1", "t.worker": "worker", "t.seq": "1", "t.losses": "0"})
    await stores.client.xdel(f"{meta}:log:1", f"{claim.epoch}-1")
    await stores.client.set(f"{meta}:text:1", "first ", keepttl=True)

    assert await heir_journal.renew([(turn.ref, claim.epoch)]) == [Renewed("behind", None)]
    more = heir.text_piece("third")
    assert await heir_journal.append([Append.of(turn.ref, more)]) == ["behind"]
    assert await heir_journal.restore(Append.of(turn.ref, more), heir.text, "", claim.losses) == "ok"
    assert await stores.journal.append([Append.of(turn.ref, turn.text_piece("zombie"))]) == ["fenced"]
    page = await stores.journal.read(turn.ref, OWNER, piece.cursor)
    assert isinstance(page, EventPage)
    assert page.events == (more,)
    end = heir.end("done", "stop")
    assert await heir_journal.finish(turn.ref, end, reply(heir, 1), record(1)) == "ok"
    assert (await stores.messages())[-1].content == heir.text


async def test_the_same_epoch_in_two_hands_is_one_workers(stores: Stores) -> None:
    turn = await stores.open(1)
    other = TurnJournal(stores.database, stores.retention, "other")
    assert await other.append([Append.of(turn.ref, turn.text_piece("not mine"))]) == ["fenced"]
    assert await other.renew([(turn.ref, 1)]) == [Renewed("fenced", None)]


async def test_a_later_takeover_never_gets_an_epoch_twice(stores: Stores) -> None:
    turn = await stores.open(1)
    meta = f"lianhua:{{{CONVERSATION}}}"
    epochs = []
    for age_s in (0, 20, 40):
        started = float((await stores.client.hget(meta, "t.started")) or 0)
        await stores.client.hset(meta, mapping={"t.started": started - age_s, "t.lease": "1", "t.epoch": "1"})
        claim = await stores.journal.claim(turn.ref)
        assert isinstance(claim, Claim)
        epochs.append(claim.epoch)
    assert epochs == [2, 22, 62]


async def test_a_claim_whose_answer_was_lost_is_given_again(stores: Stores) -> None:
    turn = await stores.open(1)
    await stores.client.hset(f"lianhua:{{{CONVERSATION}}}", "t.lease", "1")
    claim = await stores.journal.claim(turn.ref)
    assert await stores.journal.claim(turn.ref) == claim
    other = TurnJournal(stores.database, stores.retention, "other")
    assert isinstance(await other.claim(turn.ref), Held)
    assert isinstance(claim, Claim)
    heir = Turn(turn.ref, claim.epoch, next_seq=1)
    assert await stores.journal.append([Append.of(turn.ref, heir.text_piece("a"))]) == ["ok"]
    assert isinstance(await stores.journal.claim(turn.ref), Held), "what has been written to is not begun twice"


async def test_an_accept_that_is_answered_late_begins_nothing_that_another_has_taken(stores: Stores) -> None:
    turn = Turn(TurnRef(CONVERSATION, "1"))
    call = new_turn(turn, 1, None, "mine", "body")
    opened = await stores.journal.accept(call)
    assert isinstance(opened, Accepted)
    assert float(opened.updated_at) == (await stores.conversations.get(CONVERSATION, OWNER)).updated_at
    assert opened == Accepted("1", "u1", "r1", repeated=False, updated_at=opened.updated_at)
    await stores.client.hset(f"lianhua:{{{CONVERSATION}}}", "t.lease", "1")
    assert await stores.journal.accept(call) == Accepted("1", "u1", "r1", repeated=True)


async def test_a_turn_handed_over_has_lost_no_worker(stores: Stores) -> None:
    turn = await stores.open(1)
    await stores.journal.release(turn.ref, epoch=2)  # not this worker's any more
    assert isinstance(await stores.journal.claim(turn.ref), Held)
    await stores.journal.release(turn.ref, turn.epoch)
    claim = await stores.journal.claim(turn.ref)
    assert isinstance(claim, Claim)
    assert (claim.epoch, claim.losses) == (2, 0)


async def test_one_running_turn_however_many_ask_at_once(stores: Stores) -> None:
    turns = [Turn(TurnRef(CONVERSATION, f"{number:x}")) for number in range(20)]
    answers = await asyncio.gather(
        *(stores.journal.accept(new_turn(turn, n, None, f"key{n}", "body")) for n, turn in enumerate(turns))
    )
    assert sum(isinstance(answer, Accepted) for answer in answers) == 1
    winner = next(answer for answer in answers if isinstance(answer, Accepted))
    busy = [answer for answer in answers if isinstance(answer, Busy)]
    assert len(busy) == 19
    assert all(answer.turn_id == winner.turn_id and answer.same_body and not answer.lost for answer in busy)
    assert (await stores.conversations.get(CONVERSATION, OWNER)).message_count == 1


async def test_a_turn_that_the_first_version_began_goes_on(stores: Stores) -> None:
    turn = await stores.open(1)
    keys = ConversationKeys(CONVERSATION)
    plain = b'{"user_message_id":"u1","reply_message_id":"r1","model":"model","persona":"assistant","context":{%b},%b}'
    context, more = (
        b'"budget_tokens":100,"used_tokens":10,"older_left_out":0,"messages":[]',
        b'"key":"key1","started_at":5.5',
    )
    await stores.client.hset(keys.turns, "1", plain % (context, more))
    await stores.client.hset(keys.idempotency, "key1", f"{'b' * 64} 1 u1 r1")
    await stores.write(turn, "hi")
    page = await stores.journal.read(turn.ref, OWNER, Cursor.START)
    assert (page.record.key, page.record.started_at, page.record.context) == ("key1", 5.5, ACCOUNT)
    assert page.record.first_token_at is not None
    again = await stores.journal.accept(new_turn(Turn(TurnRef(CONVERSATION, "2")), 1, None, "key1", "b" * 64))
    assert again == Accepted("1", "u1", "r1", repeated=True)
    with pytest.raises(IdempotencyMismatch):
        await stores.journal.accept(new_turn(Turn(TurnRef(CONVERSATION, "3")), 1, None, "key1", "c" * 64))
    await stores.finish(turn, 1)
    ended = await stores.journal.ended(turn.ref)
    assert ended is not None
    assert ended[1].started_at != 5.5, "the store's own time counts"
    assert (await stores.messages())[1].content == "hi"


async def test_the_same_key_is_the_same_turn_while_it_runs_and_after(stores: Stores) -> None:
    turn = await stores.open(1, key="mine")
    for running in (True, False):
        again = Turn(TurnRef(CONVERSATION, "aa"))
        answer = await stores.journal.accept(new_turn(again, 2, None, "mine", "body"))
        assert answer == Accepted(turn.ref.turn_id, "u1", "r1", repeated=True)
        with pytest.raises(IdempotencyMismatch):
            await stores.journal.accept(new_turn(Turn(TurnRef(CONVERSATION, "ab")), 3, None, "mine", "other"))
        if running:
            await stores.finish(turn, 1)


async def test_a_lost_answer_to_accept_is_no_repetition(stores: Stores) -> None:
    turn = Turn(TurnRef(CONVERSATION, "1"))
    call = new_turn(turn, 1, None, "mine", "body")
    assert await stores.journal.accept(call) == await stores.journal.accept(call)
    assert (await stores.conversations.get(CONVERSATION, OWNER)).message_count == 1


async def test_a_prompt_made_from_an_old_head_is_not_accepted(stores: Stores) -> None:
    turn = await stores.open(1)
    await stores.finish(turn, 1)
    stale = Turn(TurnRef(CONVERSATION, "2"))
    assert await stores.journal.accept(new_turn(stale, 2, None, "key2", "body")) == Moved()
    await stores.open(2, head="r1")


async def test_a_stop_comes_back_with_every_append_and_renewal(stores: Stores) -> None:
    turn = await stores.open(1)
    assert await stores.journal.stop(turn.ref, OWNER) == StopAsked("running", "worker")
    assert await stores.journal.append([Append.of(turn.ref, turn.text_piece("a"))]) == ["stop"]
    assert await stores.journal.renew([(turn.ref, 1)]) == [Renewed("stop", 1)]
    await stores.finish(turn, 1)
    assert await stores.journal.stop(turn.ref, OWNER) == StopAsked("ended", "")


async def test_a_turn_taken_over_is_closed_to_its_former_worker(stores: Stores) -> None:
    turn = await stores.open(1)
    await stores.write(turn, "shown ")
    held = await stores.journal.claim(turn.ref)
    assert isinstance(held, Held)
    assert LEASE_S - 2 < held.seconds <= LEASE_S
    await stores.client.hset(f"lianhua:{{{CONVERSATION}}}", "t.lease", "1")
    claim = await stores.journal.claim(turn.ref)
    assert isinstance(claim, Claim)
    assert (claim.epoch, claim.losses, claim.text, claim.owner) == (2, 1, "shown ", OWNER)
    zombie = [Append.of(turn.ref, turn.text_piece("from the grave"))]
    assert await stores.journal.append(zombie) == ["fenced"]
    assert await stores.journal.renew([(turn.ref, 1)]) == [Renewed("fenced", None)]
    assert await stores.journal.finish(turn.ref, turn.end("done", "stop"), reply(turn, 1), record(1)) == "fenced"
    heir = Turn(turn.ref, claim.epoch, next_seq=1, text=claim.text)
    await stores.write(heir, "and more")
    await stores.finish(heir, 1)
    page = await stores.journal.read(turn.ref, OWNER, Cursor.START)
    assert isinstance(page, EventPage)
    cursors = [n.cursor for n in page.events]
    assert cursors == sorted(set(cursors))
    assert "".join(n.event.content for n in page.events if isinstance(n.event, TextPiece)) == "shown and more"


async def test_a_cursor_older_than_the_log_gets_a_snapshot(stores: Stores) -> None:
    turn = await stores.open(1)
    count = LOG_EVENTS + 300
    await stores.write(turn, *(f"{number} " for number in range(count)))
    old = await stores.journal.read(turn.ref, OWNER, Cursor(1, 3))
    assert isinstance(old, SnapshotPage)
    assert (old.text, old.cursor, old.end) == (turn.text, Cursor(1, count), None)
    assert isinstance(await stores.journal.read(turn.ref, OWNER, Cursor.START), SnapshotPage)
    recent = await stores.journal.read(turn.ref, OWNER, Cursor(1, count - 300))
    assert isinstance(recent, EventPage)
    assert len(recent.events) == PAGE_EVENTS


@pytest.mark.parametrize("cursor", [Cursor(1, 99), Cursor(7, 0), Cursor.SNAPSHOT])
async def test_a_cursor_that_we_never_gave_gets_a_snapshot(stores: Stores, cursor: Cursor) -> None:
    turn = await stores.open(1)
    await stores.write(turn, "text")
    page = await stores.journal.read(turn.ref, OWNER, cursor)
    assert isinstance(page, SnapshotPage)
    assert (page.text, page.cursor) == ("text", Cursor(1, 1))


async def test_the_reply_serves_when_the_log_is_gone(stores: Stores) -> None:
    turn = await stores.open(1)
    await stores.write(turn, "text")
    end = await stores.finish(turn, 1)
    keys = [f"lianhua:{{{CONVERSATION}}}:{kind}:1" for kind in ("log", "text", "reasoning")]
    assert 0 < await stores.client.ttl(keys[0]) <= 600
    await stores.client.delete(*keys)
    page = await stores.journal.read(turn.ref, OWNER, Cursor(1, 1))
    assert isinstance(page, SnapshotPage)
    assert (page.text, page.end) == (None, end)
    nothing = await stores.journal.read(turn.ref, OWNER, end.cursor)
    assert isinstance(nothing, EventPage)
    assert (nothing.events, nothing.state) == ((), "ended")


async def test_a_foreign_turn_is_a_missing_one(stores: Stores) -> None:
    turn = await stores.open(1)
    for call in (
        stores.journal.read(turn.ref, "bob", Cursor.START),
        stores.journal.stop(turn.ref, "bob"),
        stores.branches.page(CONVERSATION, "bob", None, 10),
        stores.conversations.update(CONVERSATION, "bob", {"title": "mine"}),
        stores.conversations.erase(CONVERSATION, "bob", keep_conversation=False),
        stores.conversations.get(CONVERSATION, "bob"),
    ):
        with pytest.raises(ConversationNotFound):
            await call
    with pytest.raises(TurnNotFound):
        await stores.journal.read(TurnRef(CONVERSATION, "ff"), OWNER, Cursor.START)
    assert (await stores.conversations.get(CONVERSATION, OWNER)).running_turn_id == "1"


async def test_everything_temporary_has_an_expiry_from_its_creation(stores: Stores) -> None:
    turn = await stores.open(1)
    await stores.write(turn, "a")
    await stores.journal.append([Append.of(turn.ref, turn.reasoning_piece("b"))])
    keys = [key async for key in stores.client.scan_iter("*")]
    assert len(keys) == 13
    assert [key for key in keys if await stores.client.ttl(key) < 0] == []


async def test_what_a_turn_works_with_never_outlives_its_conversation(client: Redis, nodes: Nodes) -> None:
    stores = Stores(client, nodes, Retention(5, 50))
    await stores.conversations.create(CONVERSATION, OWNER, "assistant", None, "")
    turn = await stores.open(1)
    await stores.write(turn, "a")
    await stores.journal.append([Append.of(turn.ref, turn.reasoning_piece("b"))])
    keys = ConversationKeys(CONVERSATION)
    for ended in (False, True):
        if ended:
            await stores.finish(turn, 1)
        last = await client.pexpiretime(keys.meta)
        assert [await client.pexpiretime(key) <= last for key in keys.working("1")] == [True] * 3


async def test_what_a_lost_turn_has_shown_is_kept_as_long_as_a_pinned_conversation(stores: Stores) -> None:
    await stores.conversations.update(CONVERSATION, OWNER, {"pinned": "1"})
    turn = await stores.open(1)
    await stores.write(turn, "shown")
    kept = [await stores.client.ttl(f"lianhua:{{{CONVERSATION}}}:{kind}:1") for kind in ("log", "text")]
    assert min(kept) > 300 * 86_400
    await stores.finish(turn, 1)
    assert await stores.client.ttl(f"lianhua:{{{CONVERSATION}}}:text:1") <= 600


async def test_a_batch_holds_many_turns_and_tells_the_fate_of_each(client: Redis, nodes: Nodes) -> None:
    stores = Stores(client, nodes)
    turns = []
    for number in range(1, 5):
        conversation = f"5f0c5a0e-0000-4000-8000-{number:012x}"
        await stores.conversations.create(conversation, OWNER, "assistant", None, "")
        turn = Turn(TurnRef(conversation, f"{number:x}"))
        await stores.journal.accept(new_turn(turn, number, None, "key", "body"))
        turns.append(turn)
    await stores.finish(turns[1], 2)
    await stores.journal.stop(turns[2].ref, OWNER)
    appends = [Append.of(turn.ref, Numbered(Cursor(1, 1), TextPiece("x"))) for turn in turns]
    assert await stores.journal.append(appends) == ["ok", "ended", "stop", "ok"]


async def test_scripts_are_loaded_again_after_the_server_forgot_them(stores: Stores) -> None:
    turn = await stores.open(1)
    await stores.client.script_flush()
    await stores.write(turn, "a")
    await stores.client.script_flush()
    await stores.finish(turn, 1)
    assert (await stores.messages())[-1].content == "a"


async def test_retention_drops_the_oldest_with_turn_and_key(client: Redis, nodes: Nodes) -> None:
    stores = Stores(client, nodes, Retention(WEEK_S, 4))
    await stores.conversations.create(CONVERSATION, OWNER, "assistant", None, "")
    head = None
    for number in range(1, 5):
        turn = await stores.open(number, head=head)
        await stores.finish(turn, number)
        head = f"r{number}"
    page = await stores.branches.page(CONVERSATION, OWNER, None, 10)
    assert [placed.message.id for placed in page.messages] == ["u3", "r3", "u4", "r4"]
    assert [placed.dropped_before for placed in page.messages] == [4, 0, 0, 0]
    assert (page.total, page.dropped, page.next) == (8, 4, None)
    turns = await client.hkeys(f"lianhua:{{{CONVERSATION}}}:turns")
    keys = await client.hkeys(f"lianhua:{{{CONVERSATION}}}:idempotency")
    assert (sorted(turns), sorted(keys)) == ([b"3", b"4"], [b"key3", b"key4"])


async def test_a_pinned_conversation_keeps_everything_for_ever(client: Redis, nodes: Nodes) -> None:
    stores = Stores(client, nodes, Retention(WEEK_S, 2))
    await stores.conversations.create(CONVERSATION, OWNER, "assistant", None, "")
    pinned = await stores.conversations.update(CONVERSATION, OWNER, {"pinned": "1"})
    assert (pinned.pinned, pinned.expires_at) == (True, None)
    head = None
    for number in range(1, 4):
        await stores.finish(await stores.open(number, head=head), number)
        head = f"r{number}"
    assert (await stores.conversations.get(CONVERSATION, OWNER)).message_count == 6
    lasting = [
        key async for key in client.scan_iter("*") if not any(part in key for part in (b":log:", b":text:", b":feed"))
    ]
    assert len(lasting) == 10
    assert [key for key in lasting if await client.ttl(key) != -1] == []
    unpinned = await stores.conversations.update(CONVERSATION, OWNER, {"pinned": "0"})
    assert unpinned.expires_at is not None
    ttls = [await client.ttl(key) for key in lasting if key != b"lianhua:{user:ann}:pinned"]
    assert min(ttls) > WEEK_S - 60


async def test_all_of_a_conversations_keys_expire_in_the_same_moment(stores: Stores) -> None:
    await stores.finish(await stores.open(1), 1)
    moments = {await stores.client.pexpiretime(name) for name in ConversationKeys(CONVERSATION).lasting}
    conversation = await stores.conversations.get(CONVERSATION, OWNER)
    assert moments == {int((conversation.expires_at or 0) * 1000)}
    assert conversation.expires_at == pytest.approx(conversation.updated_at + WEEK_S, abs=0.01)


AHEAD_S = 30 * 86_400


async def used_a_month_ahead(stores: Stores) -> float:
    """The conversation as the store has it whose clock has fallen back by a month since its last activity: the moment
    at which it expires.
    """
    await stores.finish(await stores.open(1), 1)
    keys = ConversationKeys(CONVERSATION)
    used = (await stores.conversations.get(CONVERSATION, OWNER)).updated_at + AHEAD_S
    await stores.client.hset(keys.meta, mapping={"updated_at": f"{used:.6f}", "expires_at": f"{used + WEEK_S:.6f}"})
    for name in keys.lasting:
        await stores.client.pexpireat(name, int((used + WEEK_S) * 1000))
    await stores.conversations.touch(CONVERSATION, OWNER, Change(CONVERSATION, "changed"))
    return used + WEEK_S


@pytest.mark.parametrize("activity", ["turn", "title", "pin and unpin", "clear"])
async def test_a_clock_that_is_behind_shortens_no_expiry(stores: Stores, activity: str) -> None:
    expires = await used_a_month_ahead(stores)
    match activity:
        case "turn":
            await stores.finish(await stores.open(2, head="r1"), 2)
        case "title":
            await stores.conversations.update(CONVERSATION, OWNER, {"title": "another"})
        case "pin and unpin":
            await stores.conversations.update(CONVERSATION, OWNER, {"pinned": "1"})
            await stores.conversations.update(CONVERSATION, OWNER, {"pinned": "0"})
        case "clear":
            await stores.conversations.erase(CONVERSATION, OWNER, keep_conversation=True)
    conversation = await stores.conversations.get(CONVERSATION, OWNER)
    assert conversation.expires_at == pytest.approx(expires, abs=0.01)
    assert conversation.updated_at == pytest.approx(expires - WEEK_S, abs=0.01)
    for name in ConversationKeys(CONVERSATION).lasting:
        if await stores.client.exists(name):
            assert await stores.client.pexpiretime(name) == pytest.approx(expires * 1000, abs=10)


async def test_a_clock_that_is_behind_does_not_shorten_the_list(stores: Stores) -> None:
    expires = await used_a_month_ahead(stores)
    await stores.conversations.create(OTHER, OWNER, "assistant", None, "")
    assert await stores.client.pexpiretime(list_keys(OWNER)[0]) == pytest.approx(expires * 1000, abs=10)


async def test_no_limit_means_no_expiry(client: Redis, nodes: Nodes) -> None:
    stores = Stores(client, nodes, Retention(0, 0))
    created = await stores.conversations.create(CONVERSATION, OWNER, "assistant", None, "")
    assert created.expires_at is None
    await stores.finish(await stores.open(1), 1)
    assert await client.ttl(f"lianhua:{{{CONVERSATION}}}:messages") == -1


@pytest.mark.parametrize("keep", [True, False])
async def test_erased_means_erased(stores: Stores, keep: bool) -> None:
    await stores.finish(await stores.open(1), 1)
    turn = await stores.open(2, head="r1")
    await stores.write(turn, "secret")
    await stores.conversations.erase(CONVERSATION, OWNER, keep_conversation=keep)
    left = {key async for key in stores.client.scan_iter("*")}
    expected = {f"lianhua:{{{CONVERSATION}}}".encode(), b"lianhua:{user:ann}:conversations"} if keep else set()
    expected.add(b"lianhua:{user:ann}:feed")  # it holds ids and expires by itself
    hashes = ConversationKeys(CONVERSATION).erased if keep else erased_key(OWNER)  # so that a repeated request is known
    expected.add(hashes.encode())
    assert left == expected
    assert 0 < await stores.client.ttl(hashes) <= 86_400
    known = await stores.client.hgetall(hashes) if keep else await stores.client.zrange(hashes, 0, -1)
    assert all(re.fullmatch(rb"[0-9a-f]{40,64}", part) for part in [*known, *(known.values() if keep else ())])
    assert await stores.journal.append([Append.of(turn.ref, turn.text_piece("more"))]) == ["ended"]
    assert {key async for key in stores.client.scan_iter("*")} == expected
    if keep:
        empty = await stores.conversations.get(CONVERSATION, OWNER)
        assert (empty.title, empty.message_count, empty.running_turn_id) == ("", 0, None)
        await stores.open(3)


async def test_pages_of_messages_join_without_gap_or_double(stores: Stores) -> None:
    head = None
    for number in range(1, 8):
        await stores.finish(await stores.open(number, head=head), number)
        head = f"r{number}"
    whole = await stores.branches.page(CONVERSATION, OWNER, None, 100)
    joined: list[Placed] = []
    before = None
    while True:
        page = await stores.branches.page(CONVERSATION, OWNER, before, 4)
        joined = [*page.messages, *joined]
        before = page.next
        if before is None:
            break
    assert joined == list(whole.messages)
    assert [placed.message.depth for placed in joined] == list(range(14))


async def test_pages_of_the_list_join_without_gap_or_double(client: Redis, nodes: Nodes) -> None:
    conversations = ConversationStore(StoreClient(nodes), Retention(WEEK_S, 50))
    for number in range(11):
        await conversations.create(f"5f0c5a0e-0000-4000-8000-{number:012x}", OWNER, "assistant", None, f"{number}")
    # Three of the same microsecond, and one that has expired.
    listed = "lianhua:{user:ann}:conversations"
    for number in (3, 4, 5):
        await client.zadd(listed, {f"5f0c5a0e-0000-4000-8000-{number:012x}": 1_000.0})
    await client.delete("lianhua:{5f0c5a0e-0000-4000-8000-000000000009}")
    titles: list[str] = []
    before = None
    while True:
        page = await conversations.page(OWNER, before, 2)
        titles += [conversation.title for conversation in page.conversations]
        before = page.next
        if before is None:
            break
    assert titles == ["10", "8", "7", "6", "2", "1", "0", "5", "4", "3"]
    assert await client.zcard(listed) == 10


async def test_what_has_expired_hides_nothing_behind_it_in_the_list(client: Redis, nodes: Nodes) -> None:
    conversations = ConversationStore(StoreClient(nodes), Retention(WEEK_S, 50))
    names = [f"5f0c5a0e-0000-4000-8000-{number:012x}" for number in range(11)]
    for name in names:
        await conversations.create(name, OWNER, "assistant", None, "")
    for name in names[3:9]:
        await client.delete(f"lianhua:{{{name}}}")
    page = await conversations.page(OWNER, None, 5)
    assert [conversation.id for conversation in page.conversations] == [names[i] for i in (10, 9, 2, 1, 0)]
    assert page.next is None


async def test_a_list_of_one_moment_ends(client: Redis, nodes: Nodes) -> None:
    conversations = ConversationStore(StoreClient(nodes), Retention(WEEK_S, 50))
    names = [f"5f0c5a0e-0000-4000-8000-{number:012x}" for number in range(40)]
    for name in names:
        await conversations.create(name, OWNER, "assistant", None, "")
    await client.zadd("lianhua:{user:ann}:conversations", dict.fromkeys(names, 9e9))
    await client.delete(*[f"lianhua:{{{name}}}" for name in names[10:12]])
    seen: list[str] = []
    before = None
    async with asyncio.timeout(HANGS_S):
        while True:
            page = await conversations.page(OWNER, before, 3)
            seen += [conversation.id for conversation in page.conversations]
            before = page.next
            if before is None:
                break
    assert seen == [*names[:11:-1], *names[9::-1]]


async def test_a_change_while_a_page_is_read_doubles_nothing(
    client: Redis, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversations = ConversationStore(StoreClient(nodes), Retention(WEEK_S, 50))
    names = [f"5f0c5a0e-0000-4000-8000-{number:012x}" for number in range(8)]
    for name in names:
        await conversations.create(name, OWNER, "assistant", None, "")
    for name in names[5:7]:
        await client.delete(f"lianhua:{{{name}}}")
    read = ConversationStore.rows

    async def read_and_change(store: ConversationStore, owner: str, ids: list[str]) -> list[Conversation | None]:
        found = await read(store, owner, ids)
        await client.zadd("lianhua:{user:ann}:conversations", {names[0]: 9e9})
        return found

    monkeypatch.setattr(ConversationStore, "rows", read_and_change)
    page = await conversations.page(OWNER, None, 5)
    ids = [conversation.id for conversation in page.conversations]
    assert len(set(ids)) == len(ids)
    assert ids == [names[i] for i in (7, 4, 3, 2, 1)]


async def test_a_list_forgets_what_has_long_expired_without_being_read(client: Redis, nodes: Nodes) -> None:
    conversations = ConversationStore(StoreClient(nodes), Retention(60, 50))
    listed = "lianhua:{user:ann}:conversations"
    gone = {f"5f0c5a0e-0000-4000-8000-0000000000{number:02x}": 9e9 + number for number in range(16, 32)}
    await client.zadd(listed, gone)
    await conversations.create(CONVERSATION, OWNER, "assistant", None, "")
    for _ in range(40 * LOOK_EVERY):
        await conversations.touch(CONVERSATION, OWNER, Change(CONVERSATION, "changed"))
    assert await client.zrange(listed, 0, -1) == [CONVERSATION.encode()]


async def test_a_record_can_be_replaced_while_the_turn_runs(stores: Stores) -> None:
    turn = await stores.open(1)
    smaller = msgspec.structs.replace(record(1), context=ContextReport(50, 5, 2), attempts=2)
    assert await stores.journal.replace_record(turn.ref, 1, smaller) == "ok"
    assert await stores.journal.replace_record(turn.ref, 0, smaller) == "fenced"
    page = await stores.journal.read(turn.ref, OWNER, Cursor.START)
    assert (page.record.context.budget_tokens, page.record.attempts) == (50, 2)
    assert page.record.started_at is not None


async def test_a_deletion_whose_answer_is_lost_is_known_and_cleaned_up_after(tmp_path: Path) -> None:
    wishes: list[str] = []
    with RedisServer(tmp_path) as server:
        async with Proxy(server.port) as proxy:
            nodes = await open_nodes(parse_address(f"redis://127.0.0.1:{proxy.port}"))
            conversations = ConversationStore(StoreClient(nodes), Retention(60, 0), lambda: wishes.append("rewrite"))
            await conversations.create(CONVERSATION, OWNER, "assistant", None, "sesame")
            proxy.delay_s = 0.2
            erasing = asyncio.create_task(conversations.erase(CONVERSATION, OWNER, keep_conversation=False))
            async with Redis(port=server.port) as view:

                async def is_erased() -> bool:
                    return not await view.exists(ConversationKeys(CONVERSATION).meta)

                await until(is_erased, every_s=0.005)
                proxy.refuse()  # the answer is on its way
                with pytest.raises(StoreUnavailable):
                    await erasing
            assert wishes == ["rewrite"]
            await proxy.accept()
            assert await conversations.was_deleted(CONVERSATION, OWNER)
            assert not await conversations.was_deleted(CONVERSATION, "bob")
            await nodes.close()
