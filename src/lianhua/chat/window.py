"""Where the window of a prompt begins: pure, no I/O.

Servers of models keep what they have computed of a prompt as long as the next one begins with the same bytes. So a
window that is full loses a block of its oldest messages and not one a turn: it begins where the one before it began for
as long as that fits, and then goes down to three fifths. Where the one before it began is in the turn's record, so
branches, other processes and a restart change nothing; and only the newest messages are looked at, so that the cost
does not grow with the conversation.
"""

from collections.abc import Sequence
from itertools import accumulate

from msgspec import Struct

from lianhua.chat.messages import ContextAccount

# What a full window goes down to. Of 20 messages 12 stay, and the next block is dropped four turns later.
KEPT_OF_FIVE = 3


class Room(Struct, frozen=True):
    """How many earlier messages there is room for, and how many tokens they may cost."""

    messages: int
    tokens: int

    def after_drop(self) -> "Room":
        """What of it is filled again after a block was dropped."""
        return Room((self.messages + 1) * KEPT_OF_FIVE // 5, self.tokens * KEPT_OF_FIVE // 5)


class Earlier(Struct, frozen=True):
    """One message before the question. `tokens` is None where it takes no room: without text, or in the prompt anyway.

    `can_begin`: whether a window may begin with it.
    """

    id: str
    tokens: int | None
    can_begin: bool


def window_start(earlier: Sequence[Earlier], room: Room, former: str | None) -> int:
    """The place in `earlier` (oldest first) of the first message that is sent; its length where none is.

    `former` is the id of the message that the window before this one began with, None where there was none.
    """
    needs = _needs(earlier)
    places = [place for place, message in enumerate(earlier) if message.can_begin]

    def first_from(oldest: int, room: Room) -> int:
        fitting = (place for place in places if place >= oldest and _fits(needs[place], room))
        return next(fitting, len(earlier))

    if former is None:
        return first_from(0, room)
    began = next((place for place, message in enumerate(earlier) if message.id == former), None)
    if began is not None:
        first = next((place for place in places if place >= began), len(earlier))
        if _fits(needs[first], room):
            return first
    # Where even its beginning is not among these (retention has dropped it), a block of what is left goes too.
    oldest = 0 if began is not None else len(earlier) - len(earlier) * KEPT_OF_FIVE // 5
    first = first_from(oldest, room.after_drop())
    if first < len(earlier):
        return first
    # The last question and its reply are worth more than a cache.
    return next((place for place in reversed(places) if _fits(needs[place], room)), len(earlier))


def former_start(account: ContextAccount) -> str | None:
    """The id of the message that the window of an earlier turn began with."""
    of_window = ("fits", "joined", "last_message")
    return next((entry.id for entry in account.messages if entry.included and entry.reason in of_window), None)


def reasons_left_out(earlier: Sequence[Earlier], room: Room, start: int) -> list[str]:
    """Why each message before `start` is not sent, oldest first: `message_count`, `token_budget` or `no_question`."""
    needs = _needs(earlier)[:start]
    beyond = next((place + 1 for place in reversed(range(start)) if not _fits(needs[place], room)), 0)
    # What would have fitted goes with its block, for the same reason; a reply whose question has no room, or that has
    # none, goes because of that. By count a question and its reply are one block.
    counted = beyond > 0 and needs[beyond - 1].messages > room.messages
    of_block = "message_count" if counted else "token_budget"
    has_question = any(message.can_begin for message in earlier[0 if counted else beyond : start])
    return [of_block if place < beyond or has_question else "no_question" for place in range(start)]


def _needs(earlier: Sequence[Earlier]) -> list[Room]:
    """The room that the messages from each place on take; none beyond the last."""
    newest_first = [message.tokens for message in reversed(earlier)]
    counts = accumulate((tokens is not None for tokens in newest_first), initial=0)
    costs = accumulate((tokens or 0 for tokens in newest_first), initial=0)
    return [Room(count, cost) for count, cost in zip(counts, costs, strict=True)][::-1]


def _fits(need: Room, room: Room) -> bool:
    return need.messages <= room.messages and need.tokens <= room.tokens
