"""The rules of `docs/protocol.md`, a function each. They ask for real replies and wait as long as the model takes."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any, Final

from tests.protocol.peer import Broken, Event, Peer, Turn, end_of, hold, joined, matches, turn_of

QUESTION: Final = "In a few sentences: why is the sky blue?"
NAMES: Final = {"turn", "", "reasoning", "notice", "snapshot", "end"}
STATUSES: Final = {"done", "stopped", "failed", "interrupted"}
RESUMES: Final = 12  # cursors tried of each turn: the first, the last and some between

Check = Callable[[Peer], Awaitable[None]]


async def a_stream_is_not_cached_or_changed_on_its_way(peer: Peer) -> None:
    turn = await peer.begin(QUESTION)
    async with peer.stream(turn) as events:
        kind = events.headers["Content-Type"].replace(" ", "").lower()
        hold(kind == "text/event-stream;charset=utf-8", f"the content type is text/event-stream, not {kind}")
        control = events.headers.get("Cache-Control", "")
        hold(
            "no-store" in control and "no-transform" in control,
            f"Cache-Control: no-store, no-transform, not {control!r}",
        )
        await anext(events)
    await peer.stop(turn)


async def a_stream_begins_with_its_turn_and_ends_once(peer: Peer) -> None:
    turn = await peer.begin(QUESTION)
    events = await peer.follow(turn)
    first = events[0]
    hold(first.name == "turn", f"the first event is `turn`, not {first.name!r}")
    hold(first.data["turn_id"] == turn.id, "`turn` names the turn that was accepted")
    hold(first.data["reply_message_id"] == turn.reply_id, "`turn` names the reply that was accepted")
    strange = {event.name for event in events} - NAMES
    hold(not strange, f"no event has a name beside those of the table: {strange}")
    end = end_of(events)
    hold(end["status"] in STATUSES, f"`status` of `end` is one of {sorted(STATUSES)}, not {end['status']!r}")
    hold(end["status"] == "done" or end.get("code"), "an end other than `done` or `stopped` has a code")


async def ids_rise_and_stand_last_in_their_block(peer: Peer) -> None:
    turn = await peer.begin(QUESTION)
    events = await peer.follow(turn)
    for event in events:
        hold(event.id.startswith(f"{turn.id}:"), f"an id begins with its turn, not {event.id!r}")
        hold(event.block[-1].startswith("id:"), f"the id is the last line of a block: {event.block}")
    for one, other in pairwise(events):
        hold(one.place < other.place, f"ids rise strictly: {one.id} before {other.id}")


async def the_pieces_are_the_stored_reply(peer: Peer) -> None:
    turn = await peer.begin(QUESTION)
    events = await peer.follow(turn)
    text, end = joined(events), end_of(events)
    hold(matches(end, text), "`length` and `sha256` of `end` are those of the pieces joined")
    stored = await peer.stored_reply(turn)
    hold(stored["content"] == text, "the stored reply is the pieces joined, to the byte")
    hold(stored["status"] == end["status"], "the stored reply has the status of the end")


async def every_viewer_gets_the_same_bytes(peer: Peer) -> None:
    turn = await peer.begin(QUESTION)
    one, other = await asyncio.gather(peer.follow(turn), peer.follow(turn))
    late = await peer.follow(turn)
    hold(_as_values(one) == _as_values(other), "two viewers from the beginning see the same events")
    hold(late[-1].data == one[-1].data, "a late viewer gets the same end")
    hold(joined(late) == joined(one), "a late viewer gets the same text")


async def a_resumed_stream_brings_exactly_the_rest(peer: Peer) -> None:
    turn = await peer.begin(QUESTION)
    events = await peer.follow(turn)
    step = max(1, len(events) // RESUMES)
    for number in range(0, len(events) - 1, step):
        seen = events[: number + 1]
        for in_query in (False, True):
            rest = await peer.follow(turn, seen[-1].id, in_query=in_query)
            _holds_the_rest(events, seen, rest)


async def a_viewer_that_drops_out_goes_on_while_the_reply_runs(peer: Peer) -> None:
    turn = await peer.begin(QUESTION)
    seen: list[Event] = []
    for _ in range(1_000):
        async with peer.stream(turn, seen[-1].id if seen else None) as events:
            async for event in events:
                seen.append(event)
                if len(seen) % 3 == 0:
                    break
        if seen[-1].name == "end":
            break
    for one, other in pairwise(seen):
        hold(one.place < other.place or other.name == "snapshot", f"no event comes twice: {one.id} before {other.id}")
    hold(matches(end_of(seen), joined(seen)), "a viewer that came back again and again has the whole reply")


async def a_viewer_that_has_everything_is_sent_away(peer: Peer) -> None:
    turn = await peer.begin(QUESTION)
    last = (await peer.follow(turn))[-1]
    hold(await peer.follow(turn, last.id) == [], "after the id of `end` the answer is 204")


async def a_strange_cursor_is_answered_with_a_snapshot(peer: Peer) -> None:
    turn = await peer.begin(QUESTION)
    whole = joined(await peer.follow(turn))
    for strange in ("nonsense", f"{'0' * 32}:0-1", "17"):
        events = await peer.follow(turn, strange)
        names = [event.name for event in events]
        hold(names[:2] == ["turn", "snapshot"], f"what is no id of the turn is answered by `turn`, `snapshot`: {names}")
        hold(joined(events) == whole, "and then by all of the reply")


async def the_same_key_opens_one_turn(peer: Peer) -> None:
    conversation, key = await peer.new_conversation(), uuid.uuid4().hex
    first, again = await asyncio.gather(*(peer.send(conversation, QUESTION, key) for _ in range(2)))
    hold(
        {first.status, again.status} == {200, 202},
        f"one request opens the turn (202), one meets it (200): {first.status}, {again.status}",
    )
    hold(first.body["turn_id"] == again.body["turn_id"], "the same key is the same turn")
    await peer.follow(turn_of(conversation, first))
    after = await peer.send(conversation, QUESTION, key)
    hold(after.status == 200 and after.body["turn_id"] == first.body["turn_id"], "also after its end")
    other = await peer.send(conversation, f"{QUESTION} Really?", key)
    _is_refused(other, 422, "idempotency_mismatch")
    history = await peer.ask("GET", f"/api/conversations/{conversation}/messages")
    hold(len(history.body["messages"]) == 2, "the message is stored once, and so is the reply")


async def one_turn_runs_in_a_conversation(peer: Peer) -> None:
    turn = await peer.begin(QUESTION)
    async with peer.stream(turn) as events:
        await anext(events)
        busy = await peer.send(turn.conversation_id, "And red at dusk?")
        if busy.status != 202:
            _is_refused(busy, 409, "turn_in_progress")
            hold(busy.body["running_turn_id"] == turn.id, "the refusal names the turn that runs")
            await peer.stop(turn)
            return
        async for _ in events:  # the reply was over so soon that the next could begin: then it had its end
            pass
    hold((await peer.follow(turn))[-1].name == "end", "a second turn begins only after the end of the first")


async def a_stopped_reply_keeps_what_came(peer: Peer) -> None:
    turn = await peer.begin(QUESTION)
    seen: list[Event] = []
    async with peer.stream(turn) as events:
        async for event in events:
            seen.append(event)
            if event.name == "":
                break
        stopped = await peer.stop(turn)
        seen += [event async for event in events]
    end = end_of(seen)
    hold(stopped.status == 200, f"stopping is answered with 200, not {stopped.status}")
    hold(end["status"] in ("stopped", "done"), f"the end of a stopped turn says so, not {end['status']!r}")
    hold(matches(end, joined(seen)), "a stopped reply is whole as far as it came")
    again = await peer.stop(turn)
    hold((again.status, again.body["status"]) == (200, end["status"]), "stopping again changes nothing")
    hold((await peer.stored_reply(turn))["content"] == joined(seen), "what came before the stop is stored")


async def what_does_not_exist_is_not_found(peer: Peer) -> None:
    turn = await peer.begin(QUESTION)
    await peer.stop(turn)
    foreign = Turn(turn.conversation_id, "0" * 32, "", turn.events_path.replace(turn.id, "0" * 32))
    answer = await peer.ask("GET", foreign.events_path)
    _is_refused(answer, 404, "turn_not_found")
    missing = await peer.send(str(uuid.uuid4()), QUESTION)
    _is_refused(missing, 404, "conversation_not_found")


CHECKS: Final[tuple[Check, ...]] = (
    a_stream_is_not_cached_or_changed_on_its_way,
    a_stream_begins_with_its_turn_and_ends_once,
    ids_rise_and_stand_last_in_their_block,
    the_pieces_are_the_stored_reply,
    every_viewer_gets_the_same_bytes,
    a_resumed_stream_brings_exactly_the_rest,
    a_viewer_that_drops_out_goes_on_while_the_reply_runs,
    a_viewer_that_has_everything_is_sent_away,
    a_strange_cursor_is_answered_with_a_snapshot,
    the_same_key_opens_one_turn,
    one_turn_runs_in_a_conversation,
    a_stopped_reply_keeps_what_came,
    what_does_not_exist_is_not_found,
)


def _as_values(events: list[Event]) -> list[tuple[str, str, Any]]:
    return [(event.id, event.name, event.data) for event in events]


def _holds_the_rest(events: list[Event], seen: list[Event], rest: list[Event]) -> None:
    """Either the very events that follow, or a snapshot that makes the same text of what was seen."""
    if not rest:
        raise Broken(f"after {seen[-1].id} something is missing, and the answer was 204")
    if rest[0].name == "snapshot" and events[len(seen)].name != "snapshot":
        hold(joined(rest, joined(seen)) == joined(events), "a snapshot and what follows it make the same text")
    else:
        hold(_as_values(rest) == _as_values(events[len(seen) :]), f"after {seen[-1].id} comes exactly the rest")
    hold(rest[-1].data == events[-1].data, "and the same end")


def _is_refused(answer: Any, status: int, code: str) -> None:
    hold(answer.status == status, f"expected {status} {code}, not {answer.status}")
    hold(answer.body["code"] == code, f"expected the code {code}, not {answer.body['code']!r}")
