"""A history sorted by what it is about: each question with its turn, its viewers and what was kept of it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

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

Step = Opened | Seen | Nothing | Closed


@dataclass
class View:
    """What one viewer met of one turn, in order."""

    viewer: str
    steps: list[Step] = field(default_factory=list)

    @property
    def seen(self) -> list[Seen]:
        return [step for step in self.steps if isinstance(step, Seen)]

    @property
    def end(self) -> Seen | None:
        return next((step for step in self.seen if step.name == "end"), None)


@dataclass
class Turn:
    """All that is known of one turn. `hits` are the times at which the process that ran it was struck."""

    id: str
    answers: list[Accepted] = field(default_factory=list)
    views: dict[str, View] = field(default_factory=dict)
    hits: list[float] = field(default_factory=list)
    stops: list[StopAsked | StopAnswered] = field(default_factory=list)
    read: TurnRead | None = None
    reply: StoredMessage | None = None

    @property
    def conversation(self) -> str:
        return self.answers[0].conversation

    @property
    def end(self) -> Seen | None:
        return next((view.end for view in self.views.values() if view.end), None)


@dataclass
class Timeline:
    """Everything, sorted. `questions` has the first sending of each key."""

    questions: dict[str, Asked] = field(default_factory=dict)
    accepted: list[Accepted] = field(default_factory=list)
    turns: dict[str, Turn] = field(default_factory=dict)
    refusals: list[Refused] = field(default_factory=list)
    struck: list[Struck] = field(default_factory=list)
    stored: dict[str, Stored] = field(default_factory=dict)
    expired: set[str] = field(default_factory=set)
    logged: list[Logged] = field(default_factory=list)

    @property
    def kept(self) -> list[Turn]:
        """The turns whose conversations were left alone."""
        return [turn for turn in self.turns.values() if turn.conversation not in self.expired]

    def message_of(self, turn: Turn) -> str:
        return self.questions[turn.answers[0].key].message


def tell(history: Iterable[Record]) -> Timeline:
    """The history, sorted."""
    timeline = Timeline()
    turns: dict[str, Turn] = {}
    for record in history:
        match record:
            case Asked():
                timeline.questions.setdefault(record.key, record)
            case Accepted():
                timeline.accepted.append(record)
                turns.setdefault(record.turn, Turn(record.turn)).answers.append(record)
            case Refused():
                timeline.refusals.append(record)
            case Opened() | Seen() | Nothing() | Closed():
                views = turns.setdefault(record.turn, Turn(record.turn)).views
                views.setdefault(record.viewer, View(record.viewer)).steps.append(record)
            case StopAsked() | StopAnswered():
                turns.setdefault(record.turn, Turn(record.turn)).stops.append(record)
            case Struck():
                timeline.struck.append(record)
            case Expired():
                timeline.expired.add(record.conversation)
            case Stored():
                timeline.stored[record.conversation] = record
            case TurnRead():
                turns.setdefault(record.turn, Turn(record.turn)).read = record
            case Logged():
                timeline.logged.append(record)
    timeline.turns = {turn.id: turn for turn in turns.values() if turn.answers}
    _link(timeline)
    return timeline


def _link(timeline: Timeline) -> None:
    for turn in timeline.turns.values():
        turn.hits = [struck.at for struck in timeline.struck if _hits(struck, turn)]
    by_turn: defaultdict[str, list[StoredMessage]] = defaultdict(list)
    for stored in timeline.stored.values():
        for message in stored.messages:
            if message.role == "assistant" and message.turn:
                by_turn[message.turn].append(message)
    for turn in timeline.turns.values():
        turn.reply = next(iter(by_turn[turn.id]), None)


def _hits(struck: Struck, turn: Turn) -> bool:
    if struck.turns is not None:
        return turn.id in struck.turns
    return turn.answers[0].at < struck.at and (turn.end is None or struck.at < turn.end.at)
