"""The promises as rules over a history. Pure: a rule takes what happened and returns a line for each violation."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from tests.chaos.history import Nothing, Opened, Record, Seen, StopAnswered, StopAsked
from tests.chaos.timeline import Timeline, Turn, View, tell

# A lease of 15 s, the sweep, and a second for the way of the event through two busy processes.
KNOWN_WITHIN_S = 21.0
STOPPED_WITHIN_S = 1.0
MAX_ATTEMPTS = 3
LEGAL_REFUSALS = {
    (503, "store_unavailable"),
    (503, "overloaded"),
    (503, "draining"),
}

ReplyTo = Callable[[str], str]
# Whether what began and ended at these times took no longer than that many seconds.
InTime = Callable[[float, float, float], bool]


def by_the_clock(began: float, ended: float, bound_s: float) -> bool:
    return ended - began <= bound_s


class Terms(NamedTuple):
    """`reply_to` gives the whole reply to a message."""

    reply_to: ReplyTo
    in_time: InTime = by_the_clock


Rule = Callable[[Timeline, Terms], Iterator[str]]


def check(history: Iterable[Record], terms: Terms) -> list[str]:
    """Every violation as a line that names its turn or message."""
    timeline = tell(history)
    return [f"{rule.__name__}: {line}" for rule in RULES for line in rule(timeline, terms)]


# Questions and turns


def every_question_is_accepted(timeline: Timeline, _: Terms) -> Iterator[str]:
    answered = {accepted.key for accepted in timeline.accepted}
    for key, asked in timeline.questions.items():
        if key not in answered and asked.conversation not in timeline.expired:
            yield f"{key} was asked again and again and never accepted"


def a_key_has_one_turn(timeline: Timeline, _: Terms) -> Iterator[str]:
    turns_of: defaultdict[str, set[str]] = defaultdict(set)
    keys_of: defaultdict[str, set[str]] = defaultdict(set)
    for accepted in timeline.accepted:
        turns_of[accepted.key].add(accepted.turn)
        keys_of[accepted.turn].add(accepted.key)
    yield from (f"{key} started {sorted(turns)}" for key, turns in turns_of.items() if len(turns) > 1)
    yield from (f"turn {turn} answers {sorted(keys)}" for turn, keys in keys_of.items() if len(keys) > 1)


def refusals_are_legal(timeline: Timeline, _: Terms) -> Iterator[str]:
    for refused in timeline.refusals:
        answer = (refused.status, refused.code)
        busy = refused.what == "send" and answer == (409, "turn_in_progress")
        gone = refused.conversation in timeline.expired and answer == (404, "conversation_not_found")
        if not busy and not gone and answer not in LEGAL_REFUSALS:
            yield f"{refused.what} in {refused.conversation} at {refused.worker}: {refused.status} {refused.code}"


def an_ended_turn_leaves_the_conversation_free(timeline: Timeline, _: Terms) -> Iterator[str]:
    for refused in timeline.refusals:
        running = timeline.turns.get(refused.running_turn or "")
        if running and any(view.end and view.end.at < refused.asked_at for view in running.views.values()):
            yield f"{refused.worker} calls turn {running.id} running after its end was seen"


# Views


def each_viewer_sees_one_end(timeline: Timeline, _: Terms) -> Iterator[str]:
    for turn in timeline.kept:
        if not turn.views:
            yield f"nobody saw anything of turn {turn.id}"
        for view in turn.views.values():
            ends = [seen for seen in view.seen if seen.name == "end"]
            if len(ends) != 1:
                yield f"{view.viewer} saw {len(ends)} ends of turn {turn.id}"


def all_viewers_see_the_same_end(timeline: Timeline, _: Terms) -> Iterator[str]:
    for turn in timeline.turns.values():
        ends = [view.end for view in turn.views.values() if view.end]
        for end in ends[1:]:
            if (end.cursor, end.data) != (ends[0].cursor, ends[0].data):
                yield (
                    f"turn {turn.id} ended for {ends[0].viewer} as {ends[0].cursor} {ends[0].data} "
                    f"and for {end.viewer} as {end.cursor} {end.data}"
                )


def nothing_comes_after_the_end(timeline: Timeline, _: Terms) -> Iterator[str]:
    for turn, view in _views(timeline):
        for earlier, later in pairwise(view.seen):
            if earlier.name == "end" and later.name != "end":
                yield f"{view.viewer} saw {later.name or 'text'} {later.cursor} after the end of turn {turn.id}"


def ids_rise(timeline: Timeline, _: Terms) -> Iterator[str]:
    for turn, view in _views(timeline):
        for seen in view.seen:
            if seen.named != turn.id:
                yield f"{view.viewer} saw an event of turn {seen.named} in the stream of turn {turn.id}"
        for earlier, later in pairwise(view.seen):
            if later.cursor <= earlier.cursor:
                yield f"{view.viewer} saw {later.cursor} after {earlier.cursor} of turn {turn.id}"


def a_view_begins_with_its_turn(timeline: Timeline, _: Terms) -> Iterator[str]:
    for turn, view in _views(timeline):
        first = next(iter(view.seen), None)
        if first and (first.name != "turn" or first.data["turn_id"] != turn.id):
            yield f"{view.viewer}'s first event of turn {turn.id} is {first.name or 'text'} {first.data}"


def every_view_is_part_of_the_reply(timeline: Timeline, _: Terms) -> Iterator[str]:
    """What a viewer has before its eyes at any moment is a beginning of the stored reply, and never gets shorter."""
    for turn, view in _views(timeline):
        if turn.reply is None or turn.conversation in timeline.expired:
            continue
        final, shown = turn.reply.content, 0
        for seen in view.seen:
            if seen.name == "":
                piece = seen.data["content"]
                right, length = final.startswith(piece, shown), shown + len(piece)
            elif seen.name == "snapshot":
                right, length = final.startswith(seen.data["content"]), len(seen.data["content"])
            else:
                continue
            if not right or length < shown:
                yield f"{view.viewer} at {seen.cursor} of turn {turn.id}: {seen.data['content']!r} is not at {shown}"
                break
            shown = length


def every_view_is_whole_in_the_end(timeline: Timeline, _: Terms) -> Iterator[str]:
    for turn, view in _views(timeline):
        if view.end and turn.reply and turn.conversation not in timeline.expired:
            shown = text_of(view)
            if shown != turn.reply.content:
                yield f"{view.viewer} has {shown!r} of turn {turn.id}, stored is {turn.reply.content!r}"


def nothing_missing_is_true(timeline: Timeline, _: Terms) -> Iterator[str]:
    for turn, view in _views(timeline):
        over = False
        for step in view.steps:
            over = over or (isinstance(step, Seen) and step.name == "end")
            if isinstance(step, Nothing) and not over:
                yield f"{view.viewer} was told that it misses nothing of turn {turn.id} and had not seen its end"


# What is kept


def the_stored_reply_is_what_its_end_says(timeline: Timeline, _: Terms) -> Iterator[str]:
    for turn in timeline.kept:
        if turn.end is None:
            continue
        if turn.reply is None:
            yield f"turn {turn.id} has no reply in the history"
            continue
        content = turn.reply.content
        kept = (turn.reply.status, len(content), hashlib.sha256(content.encode()).hexdigest())
        ended_as = tuple(turn.end.data[name] for name in ("status", "length", "sha256"))
        if kept != ended_as:
            yield f"turn {turn.id} ended as {ended_as}, kept is {kept}"
        if turn.read and turn.read.status != ended_as[0]:
            yield f"turn {turn.id} ended as {ended_as[0]} and is read as {turn.read.status}"


def every_message_is_kept_once(timeline: Timeline, _: Terms) -> Iterator[str]:
    """Of accepted questions in the order of their turns; one whose acceptance was never heard of may be there."""
    accepted: defaultdict[str, list[str]] = defaultdict(list)
    for answer in timeline.accepted:
        message = timeline.questions[answer.key].message
        if message not in accepted[answer.conversation]:
            accepted[answer.conversation].append(message)
    for conversation, messages in accepted.items():
        if conversation in timeline.expired:
            continue
        if conversation not in timeline.stored:
            yield f"{conversation} could not be read in the end"
            continue
        kept = [message.content for message in timeline.stored[conversation].messages if message.role == "user"]
        asked = {asked.message for asked in timeline.questions.values() if asked.conversation == conversation}
        for message in {*messages, *kept}:
            if kept.count(message) != 1:
                yield f"{conversation} holds {message!r} {kept.count(message)} times"
            elif message not in asked:
                yield f"{conversation} holds {message!r}, which nobody asked there"
        if [message for message in kept if message in messages] != messages:
            yield f"{conversation} holds its messages in another order: {kept} for {messages}"


def every_turn_has_one_reply(timeline: Timeline, _: Terms) -> Iterator[str]:
    for stored in timeline.stored.values():
        replies = Counter(message.turn for message in stored.messages if message.role == "assistant")
        for turn_id, count in replies.items():
            if count > 1:
                yield f"{stored.conversation} holds {count} replies of turn {turn_id}"


def replies_answer_their_own_question(timeline: Timeline, terms: Terms) -> Iterator[str]:
    for turn in timeline.kept:
        if turn.reply is None:
            continue
        whole, kept = terms.reply_to(timeline.message_of(turn)), turn.reply.content
        if not whole.startswith(kept) or (turn.reply.status == "done" and kept != whole):
            yield f"turn {turn.id} ({turn.reply.status}) replied {kept!r} where {whole!r} was to be said"


# Ends


def every_end_has_its_cause(timeline: Timeline, _: Terms) -> Iterator[str]:
    """`worker_lost` only where a fault struck before; `interrupted` keeps a text, `failed` has none."""
    for turn in timeline.kept:
        if turn.end is None:
            continue
        status, code, length = (turn.end.data.get(name) for name in ("status", "code", "length"))
        hits = sum(hit < turn.end.at for hit in turn.hits)
        legal = {
            ("done", None): True,
            ("stopped", None): bool(turn.stops),
            ("interrupted", "worker_lost"): hits >= 1 and length > 0,
            ("failed", "worker_lost"): hits >= MAX_ATTEMPTS and length == 0,
        }
        if not legal.get((status, code), False):
            yield f"turn {turn.id} ended {status} {code} with {length} characters after {hits} faults"


def a_turn_is_run_again_only_when_it_was_lost(timeline: Timeline, _: Terms) -> Iterator[str]:
    for turn in timeline.kept:
        for view in turn.views.values():
            shown = False
            restarts = 0
            for seen in view.seen:
                shown = shown or bool(seen.name in ("", "snapshot") and seen.data["content"])
                if seen.name == "notice" and seen.data["code"] == "restarted":
                    restarts += 1
                    if shown:
                        yield f"turn {turn.id} was run again after {view.viewer} had seen text"
            if turn.read and restarts > turn.read.attempts - 1:
                yield f"{view.viewer} saw {restarts} restarts of turn {turn.id} with {turn.read.attempts} attempts"
        if turn.read and not 1 <= turn.read.attempts <= min(MAX_ATTEMPTS, 1 + len(turn.hits)):
            yield f"turn {turn.id} had {turn.read.attempts} attempts after {len(turn.hits)} faults"


def who_saw_all_saw_every_restart(timeline: Timeline, _: Terms) -> Iterator[str]:
    for turn, view in _views(timeline):
        names = Counter(seen.name if seen.name != "notice" else seen.data["code"] for seen in view.seen)
        if turn.read and view.end and not names["snapshot"] and names["restarted"] != turn.read.attempts - 1:
            yield f"{view.viewer} saw {names['restarted']} restarts of turn {turn.id}, of {turn.read.attempts - 1}"


# In time


def nobody_waits_too_long(timeline: Timeline, terms: Terms) -> Iterator[str]:
    """A viewer with an open stream sees something within the limit, counted anew when the turn is struck again."""
    for turn, view in _views(timeline):
        for waited_s, seen in waits(turn, view):
            if not terms.in_time(seen.at - waited_s, seen.at, KNOWN_WITHIN_S):
                yield f"{view.viewer} waited {waited_s:.1f} s for {seen.name or 'text'} {seen.cursor} of turn {turn.id}"


def a_stop_is_seen_in_time(timeline: Timeline, terms: Terms) -> Iterator[str]:
    """Of a turn that has a living worker."""
    for turn in timeline.kept:
        if turn.hits:
            continue
        for view, waited_s in stop_waits(turn):
            if not terms.in_time(view.end.at - waited_s, view.end.at, STOPPED_WITHIN_S):
                yield f"{view.viewer} saw the end of turn {turn.id} {waited_s:.2f} s after the stop"
        for answer in turn.stops:
            if isinstance(answer, StopAnswered) and turn.end and answer.status != turn.end.data["status"]:
                yield f"the stop of turn {turn.id} was answered {answer.status}; it ended {turn.end.data['status']}"


def no_worker_logs_a_bug(timeline: Timeline, _: Terms) -> Iterator[str]:
    yield from (f"{logged.worker}: {logged.line}" for logged in timeline.logged)


RULES: tuple[Rule, ...] = (
    every_question_is_accepted,
    a_key_has_one_turn,
    refusals_are_legal,
    an_ended_turn_leaves_the_conversation_free,
    each_viewer_sees_one_end,
    all_viewers_see_the_same_end,
    nothing_comes_after_the_end,
    ids_rise,
    a_view_begins_with_its_turn,
    every_view_is_part_of_the_reply,
    every_view_is_whole_in_the_end,
    nothing_missing_is_true,
    the_stored_reply_is_what_its_end_says,
    every_message_is_kept_once,
    every_turn_has_one_reply,
    replies_answer_their_own_question,
    every_end_has_its_cause,
    a_turn_is_run_again_only_when_it_was_lost,
    who_saw_all_saw_every_restart,
    nobody_waits_too_long,
    a_stop_is_seen_in_time,
    no_worker_logs_a_bug,
)


def text_of(view: View) -> str:
    """What the viewer has before its eyes in the end."""
    text = ""
    for seen in view.seen:
        if seen.name == "":
            text += seen.data["content"]
        elif seen.name == "snapshot":
            text = seen.data["content"]
    return text


def waits(turn: Turn, view: View) -> Iterator[tuple[float, Seen]]:
    """How long the viewer waited for each event with its stream open."""
    since: float | None = None
    for step in view.steps:
        if isinstance(step, Opened):
            since = step.at
        elif isinstance(step, Seen) and since is not None:
            hit = max((at for at in turn.hits if since < at < step.at), default=since)
            yield step.at - hit, step
            since = step.at


def stop_waits(turn: Turn) -> Iterator[tuple[View, float]]:
    """From the first stop of a turn to its end, for each viewer whose stream was open all the while."""
    asked = next((stop.at for stop in turn.stops if isinstance(stop, StopAsked)), None)
    if asked is None:
        return
    for view in turn.views.values():
        opened = max((step.at for step in view.steps if isinstance(step, Opened)), default=asked)
        if view.end and opened < asked < view.end.at:
            yield view, view.end.at - asked


def _views(timeline: Timeline) -> Iterator[tuple[Turn, View]]:
    return ((turn, view) for turn in timeline.turns.values() for view in turn.views.values())
