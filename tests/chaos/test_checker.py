"""Each rule catches its violation: a small history that keeps every promise, changed in one place at a time."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checker import RULES, Terms, check
from tests.chaos.history import (
    Accepted,
    Asked,
    Closed,
    Expired,
    Logged,
    Nothing,
    Opened,
    Record,
    Refused,
    Seen,
    StopAnswered,
    StopAsked,
    Stored,
    StoredMessage,
    Struck,
    TurnRead,
)

Records = list[Record]
Change = Callable[[Records], None]


def reply_to(message: str) -> str:
    return f"<{message}> and more"


def end_data(status: str, text: str, code: str | None = None) -> dict[str, Any]:
    data = {"status": status, "length": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    return data | ({"code": code} if code else {})


def kept(reply: str, status: str = "done") -> Stored:
    messages = (
        StoredMessage("m1", "user", "one", "done", None),
        StoredMessage("m2", "assistant", reply, status, "t1"),
    )
    return Stored(90.0, "c1", messages)


def pieces(viewer: str, at: float, *cursors_and_events: tuple[tuple[int, int], str, Any]) -> Records:
    return [
        Seen(at + number / 10, viewer, "t1", "t1", cursor, name, data)
        for number, (cursor, name, data) in enumerate(cursors_and_events)
    ]


TURN = ("turn", {"turn_id": "t1"})
WHOLE = reply_to("one")


def good() -> Records:
    """One question, refused once and accepted twice; one viewer who drops, one who comes when the log is cut."""
    end = ((1, 3), "end", end_data("done", WHOLE))
    return [
        Asked(1.0, "k1", "c1", "one"),
        Refused(1.1, "send", "c1", "w1", 503, "store_unavailable", 1.0),
        Asked(1.2, "k1", "c1", "one"),
        Accepted(1.3, "k1", "c1", "t1", 202, "w1"),
        Accepted(1.4, "k1", "c1", "t1", 200, "w2"),
        Opened(2.0, "v1", "t1", "w1", None),
        *pieces("v1", 2.1, ((1, 0), *TURN), ((1, 1), "", {"content": "<one>"})),
        Closed(2.5, "v1", "t1", "dropped"),
        Opened(3.0, "v1", "t1", "w2", (1, 1)),
        *pieces("v1", 3.1, ((1, 2), "", {"content": " and more"}), end),
        Closed(3.4, "v1", "t1", "ended"),
        Opened(4.0, "v2", "t1", "w2", None),
        *pieces("v2", 4.1, ((1, 0), *TURN), ((1, 2), "snapshot", {"content": WHOLE}), end),
        Closed(4.5, "v2", "t1", "ended"),
        kept(WHOLE),
        TurnRead(91.0, "t1", "done", 1),
    ]


def lost() -> Records:
    """The worker is lost before the first text, the turn run again, and lost again with a text."""
    cut = "<one>"
    notice = ((2, 1), "notice", {"code": "restarted"})
    end = end_data("interrupted", cut, "worker_lost")
    return [
        Asked(1.0, "k1", "c1", "one"),
        Accepted(1.3, "k1", "c1", "t1", 202, "w1"),
        Opened(2.0, "v1", "t1", "w2", None),
        *pieces("v1", 2.1, ((1, 0), *TURN)),
        Struck(3.0, "kill", "w1", frozenset({"t1"})),
        *pieces("v1", 18.5, notice, ((2, 2), "", {"content": cut})),
        Struck(20.0, "kill", "w2", frozenset({"t1"})),
        Closed(20.1, "v1", "t1", "broken"),
        Opened(20.5, "v1", "t1", "w3", (2, 2)),
        *pieces("v1", 36.0, ((3, 1), "end", end)),
        Closed(36.2, "v1", "t1", "ended"),
        kept(cut, "interrupted"),
        TurnRead(91.0, "t1", "interrupted", 2),
    ]


def stopped() -> Records:
    """Stopped by the viewer after the first piece."""
    end = ((1, 2), "end", end_data("stopped", "<one>"))
    return [
        Asked(1.0, "k1", "c1", "one"),
        Accepted(1.3, "k1", "c1", "t1", 202, "w1"),
        Opened(2.0, "v1", "t1", "w2", None),
        *pieces("v1", 2.1, ((1, 0), *TURN), ((1, 1), "", {"content": "<one>"})),
        StopAsked(3.0, "t1", "w2"),
        *pieces("v1", 3.5, end),
        StopAnswered(3.6, "t1", "stopped"),
        Closed(3.7, "v1", "t1", "ended"),
        kept("<one>", "stopped"),
        TurnRead(91.0, "t1", "stopped", 1),
    ]


def gone() -> Records:
    """The conversation expires in the middle of a reply."""
    return [
        Asked(1.0, "k1", "c1", "one"),
        Accepted(1.3, "k1", "c1", "t1", 202, "w1"),
        Opened(2.0, "v1", "t1", "w2", None),
        *pieces("v1", 2.1, ((1, 0), *TURN), ((1, 1), "", {"content": "<one>"})),
        Expired(3.0, "c1"),
        Closed(3.1, "v1", "t1", "broken"),
        Refused(3.2, "follow", "c1", "w1", 404, "conversation_not_found", 3.1),
    ]


@pytest.mark.parametrize("history", [good, lost, stopped, gone])
def test_a_history_that_keeps_the_promises_passes(history: Callable[[], Records]) -> None:
    assert check(history(), Terms(reply_to)) == []


def where(records: Records, kind: type, nth: int = 0) -> int:
    return [at for at, record in enumerate(records) if isinstance(record, kind)][nth]


def change(kind: type, nth: int = 0, **fields: Any) -> Change:
    def apply(records: Records) -> None:
        at = where(records, kind, nth)
        records[at] = replace(records[at], **fields)

    return apply


def drop(kind: type, nth: int = 0) -> Change:
    def apply(records: Records) -> None:
        del records[where(records, kind, nth)]

    return apply


def add(*more: Record) -> Change:
    return lambda records: records.extend(more)


def both(*changes: Change) -> Change:
    def apply(records: Records) -> None:
        for each in changes:
            each(records)

    return apply


def messages(*contents_and_turns: tuple[str, str | None]) -> Change:
    """The conversation holds these: a reply where a turn is named, else a user's message."""
    made = tuple(
        StoredMessage(f"m{number}", "assistant" if turn else "user", content, "done", turn)
        for number, (content, turn) in enumerate(contents_and_turns)
    )
    return change(Stored, messages=made)


QUESTION, REPLY = ("one", None), (WHOLE, "t1")
NEVER = Asked(5.0, "k2", "c1", "two")
FIRST_TEXT, SECOND_TEXT, FIRST_END, SNAPSHOT, SECOND_END = 1, 2, 3, 5, 6  # among the events of `good`
NOTICE, LOST_TEXT, LOST_END = 1, 2, 3  # among those of `lost`
LATER_END = Seen(9.0, "v1", "t1", "t1", (1, 4), "end", end_data("done", WHOLE))

VIOLATIONS: list[tuple[str, Callable[[], Records], Change]] = [
    ("every_question_is_accepted", good, add(NEVER)),
    ("a_key_has_one_turn", good, change(Accepted, 1, turn="t2")),
    ("a_key_has_one_turn", good, add(NEVER, Accepted(6.0, "k2", "c1", "t1", 202, "w1"))),
    ("refusals_are_legal", good, change(Refused, status=500, code="internal")),
    ("refusals_are_legal", good, change(Refused, what="follow", status=409, code="turn_in_progress")),
    ("refusals_are_legal", good, change(Refused, status=404, code="conversation_not_found")),
    ("refusals_are_legal", gone, change(Refused, conversation="c2")),
    (
        "an_ended_turn_leaves_the_conversation_free",
        good,
        add(Refused(9.1, "send", "c1", "w1", 409, "turn_in_progress", 9.0, "t1")),
    ),
    ("each_viewer_sees_one_end", good, drop(Seen, FIRST_END)),
    ("each_viewer_sees_one_end", good, add(LATER_END)),
    ("each_viewer_sees_one_end", good, add(NEVER, Accepted(6.0, "k2", "c1", "t2", 202, "w1"))),
    ("all_viewers_see_the_same_end", good, change(Seen, SECOND_END, cursor=(1, 4))),
    ("all_viewers_see_the_same_end", good, change(Seen, SECOND_END, data=end_data("stopped", WHOLE))),
    ("nothing_comes_after_the_end", good, add(Seen(9.0, "v1", "t1", "t1", (1, 4), "", {"content": "x"}))),
    ("ids_rise", good, change(Seen, SECOND_TEXT, cursor=(1, 1))),
    ("ids_rise", lost, change(Seen, NOTICE, cursor=(0, 9))),
    ("ids_rise", good, change(Seen, SECOND_TEXT, named="t2")),
    ("a_view_begins_with_its_turn", good, drop(Seen, 0)),
    ("a_view_begins_with_its_turn", good, change(Seen, 0, data={"turn_id": "t2"})),
    ("every_view_is_part_of_the_reply", good, change(Seen, FIRST_TEXT, data={"content": "<two>"})),
    ("every_view_is_part_of_the_reply", good, change(Seen, SNAPSHOT, data={"content": "and more"})),
    (
        "every_view_is_part_of_the_reply",
        lost,
        add(Seen(99.0, "v1", "t1", "t1", (3, 0), "snapshot", {"content": ""})),
    ),
    ("every_view_is_whole_in_the_end", good, drop(Seen, SECOND_TEXT)),
    ("every_view_is_whole_in_the_end", good, change(Seen, SNAPSHOT, data={"content": "<one>"})),
    ("nothing_missing_is_true", good, add(Nothing(9.0, "v3", "t1"))),
    ("the_stored_reply_is_what_its_end_says", good, messages(QUESTION, (WHOLE + "!", "t1"))),
    ("the_stored_reply_is_what_its_end_says", good, messages(QUESTION)),
    ("the_stored_reply_is_what_its_end_says", good, change(TurnRead, status="running")),
    ("every_message_is_kept_once", good, messages(REPLY)),
    ("every_message_is_kept_once", good, messages(QUESTION, QUESTION, REPLY)),
    ("every_message_is_kept_once", good, messages(QUESTION, ("two", None), REPLY)),
    ("every_message_is_kept_once", good, drop(Stored)),
    (
        "every_message_is_kept_once",
        good,
        both(
            add(NEVER, Accepted(6.0, "k2", "c1", "t2", 202, "w1")),
            messages(("two", None), REPLY, QUESTION, (reply_to("two"), "t2")),
        ),
    ),
    ("every_turn_has_one_reply", good, messages(QUESTION, REPLY, REPLY)),
    ("replies_answer_their_own_question", good, messages(QUESTION, ("<two> and more", "t1"))),
    ("replies_answer_their_own_question", good, messages(QUESTION, ("<one>", "t1"))),
    ("replies_answer_their_own_question", good, messages(QUESTION, (WHOLE * 2, "t1"))),
    ("every_end_has_its_cause", lost, both(drop(Struck), drop(Struck))),
    ("every_end_has_its_cause", lost, change(Seen, LOST_END, data=end_data("failed", "", "worker_lost"))),
    ("every_end_has_its_cause", lost, change(Seen, LOST_END, data=end_data("interrupted", "", "worker_lost"))),
    ("every_end_has_its_cause", lost, change(Seen, LOST_END, data=end_data("failed", "", "internal"))),
    ("every_end_has_its_cause", stopped, both(drop(StopAsked), drop(StopAnswered))),
    ("a_turn_is_run_again_only_when_it_was_lost", good, change(TurnRead, attempts=2)),
    ("a_turn_is_run_again_only_when_it_was_lost", lost, change(TurnRead, attempts=4)),
    ("a_turn_is_run_again_only_when_it_was_lost", lost, change(TurnRead, attempts=1)),
    (
        "a_turn_is_run_again_only_when_it_was_lost",
        lost,
        add(Seen(99.0, "v1", "t1", "t1", (4, 1), "notice", {"code": "restarted"})),
    ),
    ("who_saw_all_saw_every_restart", lost, drop(Seen, NOTICE)),
    ("nobody_waits_too_long", lost, both(change(Seen, NOTICE, at=24.5), change(Struck, 1, at=30.0))),
    ("nobody_waits_too_long", lost, change(Seen, LOST_END, at=42.0)),
    ("a_stop_is_seen_in_time", stopped, change(Seen, 2, at=4.1)),
    ("a_stop_is_seen_in_time", stopped, change(StopAnswered, status="running")),
    ("no_worker_logs_a_bug", good, add(Logged(99.0, "w1", "KeyError: 1"))),
]


@pytest.mark.parametrize(("rule", "history", "change"), VIOLATIONS)
def test_a_broken_promise_is_found(rule: str, history: Callable[[], Records], change: Change) -> None:
    records = history()
    change(records)
    found = check(records, Terms(reply_to))
    assert rule in {line.partition(":")[0] for line in found}


def test_every_rule_is_shown_to_catch_something() -> None:
    assert {rule.__name__ for rule in RULES} == {rule for rule, _, _ in VIOLATIONS}
