"""From what other programs call a tree to ours: whatever they have left out, doubled or tied into a knot."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct, field

from lianhua.chat.messages import MessageStatus, Speaker, Usage
from lianhua.formats.branches import rows_of
from lianhua.formats.identity import message_name
from lianhua.formats.raw import fenced
from lianhua.formats.report import Tally
from lianhua.formats.thoughts import without_thoughts
from lianhua.formats.values import CHILDREN, LATEST_S, PortableMessage


class Draft(Struct, kw_only=True):
    """A message as a file has it. Without a `role` it is not kept, and what hangs below it hangs above instead.

    `reasoning` of one that is not kept goes to the replies below it. `raw` is what of it was not understood, as it is
    shown: where a user said the message, below that, else with the reasoning, which no model is sent.
    """

    key: str
    parent: str | None
    role: Speaker | None = None
    content: str = ""
    time: float | None = None
    status: MessageStatus = "done"
    reasoning: str = ""
    model: str | None = None
    usage: Usage | None = None
    raw: list[str] = field(default_factory=list)

    def leave_out(self, tally: Tally, what: str, reason: str, raw: object = None, example: str = "") -> None:
        """Counts what is not understood, and keeps it as it stands in the file where that was asked for."""
        tally.skip(what, reason, example)
        if tally.keeps and raw is not None:
            self.raw.append(fenced(raw, tally))

    @property
    def thoughts(self) -> str:
        """What is not said."""
        return "\n\n".join(part for part in (self.reasoning, *self.raw) if part)


class Grown(Struct, frozen=True):
    """The messages, oldest first, and the last one of the branch that is to be shown."""

    messages: list[PortableMessage]
    current: str | None


def hang(drafts: Sequence[Draft], current: object, began_at: float, tally: Tally, name: str = "") -> Grown:
    """The kept messages with ids of ours, in the order of their times, none before its parent.

    The ids come from `name`, the conversation's, and the keys. `current` is the key of the draft that is shown. A
    message without a time has that of the one above it, the first ones `began_at`. What had to be mended is in the
    tally.
    """
    _part_thoughts(drafts)
    known = _known(drafts, tally)
    _cut_knots(known, tally)
    above = _nearest_kept(known)
    order = _in_time(known, began_at)
    thoughts = _Thoughts(known)
    ids = {key: message_name(name, key) for key, draft, _ in order if draft.role}
    messages = [
        PortableMessage(
            id=ids[key],
            role=draft.role,
            content=draft.content if draft.role == "assistant" else "\n\n".join((draft.content, *draft.raw)),
            timestamp=round(time, 6),
            parent_id=None if (parent := above[key]) is None else ids[parent],
            status=draft.status,
            reasoning=thoughts.of(key, draft) if draft.role == "assistant" else "",
            model=draft.model,
            usage=draft.usage,
        )
        for key, draft, time in order
        if draft.role
    ]
    tally.skip("reasoning", "no_reply", count=thoughts.left)
    shown = _shown(known, above, current)
    return Grown(messages, _end_of_branch(messages, ids[shown]) if shown else _newest(messages))


class _Thoughts:
    """What drafts that are not kept were thinking: each goes to one reply, the first below with none kept between."""

    def __init__(self, known: dict[str, Draft]) -> None:
        self._known = known
        self._waiting = {key for key, draft in known.items() if draft.thoughts and not draft.role}
        self._last: dict[str, str | None] = {}  # for each draft the nearest such thought above it
        for key in _parents_first(known) if self._waiting else ():
            parent = known[key].parent
            between = parent is not None and not known[parent].role
            self._last[key] = (
                parent if parent in self._waiting else self._last[parent] if parent is not None and between else None
            )

    @property
    def left(self) -> int:
        """How many have found no reply."""
        return len(self._waiting)

    def of(self, name: str, draft: Draft) -> str:
        parts = [draft.thoughts]
        key = self._last.get(name)
        while key is not None and key in self._waiting:  # where one has been taken, those above it have been too
            self._waiting.remove(key)
            parts.append(self._known[key].thoughts)
            key = self._last[key]
        return "\n\n".join(part for part in reversed(parts) if part)


def _part_thoughts(drafts: Sequence[Draft]) -> None:
    for draft in drafts:
        if draft.role == "assistant":
            draft.content, thoughts = without_thoughts(draft.content)
            draft.reasoning = "\n\n".join(part for part in (draft.reasoning, thoughts) if part)


def _known(drafts: Sequence[Draft], tally: Tally) -> dict[str, Draft]:
    known: dict[str, Draft] = {}
    for number, draft in enumerate(drafts):
        key = draft.key
        if key in known:
            tally.skip("message", "duplicate_id", draft.content)
            while key in known:
                key = f"{number} {key}"
        known[key] = draft
    for draft in known.values():
        if draft.parent is not None and draft.parent not in known:
            tally.skip("message", "parent_missing", draft.content)
            draft.parent = None
    return known


def _cut_knots(known: dict[str, Draft], tally: Tally) -> None:
    """A draft that is its own ancestor becomes a root."""
    safe: set[str] = set()
    for key in known:
        way: dict[str, None] = {}
        at: str | None = key
        while at is not None and at not in safe:
            if at in way:
                tally.skip("message", "cycle", known[at].content)
                known[at].parent = None
                break
            way[at] = None
            at = known[at].parent
        safe.update(way)


def _nearest_kept(known: dict[str, Draft]) -> dict[str, str | None]:
    """For each draft the nearest one above it that is kept."""
    above: dict[str, str | None] = {}
    for key in _parents_first(known):
        parent = known[key].parent
        above[key] = parent if parent is None or known[parent].role else above[parent]
    return above


def _parents_first(known: dict[str, Draft]) -> Iterable[str]:
    """Every key after that of its parent, a subtree in one piece, siblings in the order of the file."""
    below: dict[str | None, list[str]] = {}
    for key, draft in known.items():
        below.setdefault(draft.parent, []).append(key)
    waiting = below.get(None, [])[::-1]
    while waiting:
        key = waiting.pop()
        yield key
        waiting.extend(reversed(below.get(key, ())))


def _in_time(known: dict[str, Draft], began_at: float) -> list[tuple[str, Draft, float]]:
    """The drafts by time, but none before its parent, with the times they are to have."""
    times: dict[str, float] = {}
    latest: dict[str, float] = {}
    keys = list(_parents_first(known))
    for key in keys:
        draft = known[key]
        before = draft.parent
        times[key] = draft.time if draft.time is not None else times[before] if before is not None else began_at
        latest[key] = max(times[key], latest[before] if before is not None else 0.0)
    place = {key: number for number, key in enumerate(keys)}
    return [(key, known[key], times[key]) for key in sorted(keys, key=lambda key: (latest[key], place[key]))]


def _shown(known: dict[str, Draft], above: dict[str, str | None], current: object) -> str | None:
    if not isinstance(current, str) or current not in known:
        return None
    return current if known[current].role else above[current]


def _newest(messages: Sequence[PortableMessage]) -> str | None:
    """The newest is always the end of a branch: nothing stands before its parent."""
    return messages[-1].id if messages else None


def _end_of_branch(messages: Sequence[PortableMessage], message_id: str) -> str:
    rows = rows_of(messages)
    while row := rows.get(message_id):
        message_id = row[-1].id
    return message_id


def within_rows(messages: Sequence[PortableMessage], tally: Tally) -> list[PortableMessage]:
    """Without the oldest children of a parent that has too many, nor what hangs below those. No cycles."""
    rows = rows_of(messages)
    beyond = [message for row in rows.values() for message in row[:-CHILDREN]]
    gone: set[str] = set()
    while beyond:
        message = beyond.pop()
        if message.id not in gone:
            gone.add(message.id)
            tally.skip("message", "too_many_siblings", message.content)
            beyond.extend(rows.get(message.id, ()))
    return [message for message in messages if message.id not in gone]


def kept_within(messages: Sequence[PortableMessage], cap: int) -> list[PortableMessage]:
    """The newest `cap` messages and the pinned ones, in their order; 0 is no limit."""
    excess = sum(not message.pinned for message in messages) - cap
    if cap == 0 or excess <= 0:
        return list(messages)
    kept = []
    for message in messages:
        if not message.pinned and excess > 0:
            excess -= 1
        else:
            kept.append(message)
    return kept


def seconds(value: Any) -> float | None:
    """A time of whatever unit as Unix seconds; None where it is none. In 2001 the seconds had ten digits, and every
    further unit has three more.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    for unit in (1.0, 1e3, 1e6, 1e9):
        if 0 < value / unit < 1e11:
            return min(value / unit, LATEST_S)
    return None


# A year first, as browsers write a local time in Chinese, Japanese and Korean: no other order is the same everywhere.
_YEAR_FIRST = re.compile(r"(\d{4})[/.-] ?(\d{1,2})[/.-] ?(\d{1,2})[.,]? (\d{1,2}):(\d{2}):(\d{2})", re.ASCII)


_FIGURE = re.compile(r"-?\d{1,18}", re.ASCII)


def instant(value: Any) -> float | None:
    """A time as Unix seconds: a number of whatever unit, ISO 8601, or a local time that begins with its year, taken for
    UTC. None where it is none.
    """
    if isinstance(value, dict):
        value = value.get("$date")  # MongoDB, whose exact form has the figure in a string
    if isinstance(value, dict):
        figure = value.get("$numberLong")
        value = int(figure) if isinstance(figure, str) and _FIGURE.fullmatch(figure) else figure
    if not isinstance(value, str):
        return seconds(value)
    try:
        if local := _YEAR_FIRST.fullmatch(value):
            year, month, day, hour, minute, second = map(int, local.groups())
            return seconds(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
        moment = datetime.fromisoformat(value)
        return seconds((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None
