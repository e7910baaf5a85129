"""The account of a prompt as it is stored with its turn: small, for every turn has one.

The ids of messages are the larger half of an account, and the store has nearly all of them anyway: a prompt is made of
messages that hang below each other, the question last. So an entry is a letter and its tokens, and which message it is
about shows by counting upward from the question. Only a message that the count would miss, a pinned one far above, is
named.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct

from lianhua.chat.messages import ContextAccount, ContextEntry

# A letter for each reason, small for a message of the user's or of the server's, large for one of the model's. Stored:
# letters may be added, and keep their meaning.
LETTER: Final = {
    "persona": "p", "last_message": "l", "fits": "f", "joined": "j", "pinned": "i", "opening": "o", "kept": "k",
    "go_on": "g", "message_count": "c", "token_budget": "b", "no_question": "q", "repeated": "r", "unanswered": "u",
    "empty": "e", "retry_smaller": "s",
}  # fmt: skip
REASON: Final = {letter: reason for reason, letter in LETTER.items()}
LEFT_OUT: Final = frozenset(
    ("message_count", "token_budget", "no_question", "repeated", "unanswered", "empty", "retry_smaller")
)
SERVERS_OWN: Final = frozenset(("persona", "opening", "go_on"))  # no messages; each is called by its reason
DROPPED: Final = "dropped:"  # with a number: a message that retention has taken out since, so that its id is gone
_ENTRY: Final = re.compile(r"([A-Za-z])([0-9]+)(?:=([^;]*);)?")


class ContextReport(Struct, frozen=True, omit_defaults=True):
    """A `ContextAccount` as it is stored. `messages` is there in stores of earlier versions, in place of `entries`."""

    budget_tokens: int
    used_tokens: int
    older_left_out: int
    entries: str = ""
    messages: tuple[ContextEntry, ...] = ()

    @property
    def path_length(self) -> int:
        """How many messages, the question and those above it, `expanded` needs the ids of."""
        return sum(1 for _, _, name in self._parsed() if name is None)

    def expanded(self, path: Sequence[str]) -> ContextAccount:
        """The account. `path` has the ids of the question and of the messages above it, each one's parent next.

        One that is empty there, or beyond its end, gets an id that begins with `DROPPED`.
        """
        if self.messages:
            return ContextAccount(self.budget_tokens, self.used_tokens, self.older_left_out, self.messages)
        found: list[ContextEntry] = []
        known = itertools.chain(path, itertools.repeat(""))
        above = (name or f"{DROPPED}{place}" for place, name in enumerate(known))
        for letter, tokens, name in reversed(list(self._parsed())):
            found.append(_entry(letter, tokens, next(above) if name is None else name))
        return ContextAccount(self.budget_tokens, self.used_tokens, self.older_left_out, tuple(reversed(found)))

    def _parsed(self) -> Iterator[tuple[str, int, str | None]]:
        """Letter, tokens and name of each entry; None for a name that is found by counting."""
        for letter, tokens, name in _ENTRY.findall(self.entries):
            yield letter, int(tokens), name or _own_name(letter)


def report_of(account: ContextAccount, path: Sequence[str]) -> ContextReport:
    """The account as it is stored; `expanded` with the same `path` makes it again.

    One with a reason that has no letter is stored as it is.
    """
    if any(entry.reason not in LETTER for entry in account.messages):
        return ContextReport(account.budget_tokens, account.used_tokens, account.older_left_out, "", account.messages)
    written: list[str] = []
    place = 0
    for entry in reversed(account.messages):
        letter = LETTER[entry.reason]
        text = f"{letter.upper() if entry.role == 'assistant' else letter}{entry.tokens}"
        if entry.id != _own_name(letter):
            if place < len(path) and path[place] == entry.id:
                place += 1
            else:
                text += f"={entry.id};"
        written.append(text)
    entries = "".join(reversed(written))
    return ContextReport(account.budget_tokens, account.used_tokens, account.older_left_out, entries)


def _own_name(letter: str) -> str | None:
    reason = REASON.get(letter, "")
    return reason if reason in SERVERS_OWN else None


def _entry(letter: str, tokens: int, name: str) -> ContextEntry:
    reason = REASON[letter.lower()]
    role: Literal["system", "user", "assistant"] = "assistant" if letter.isupper() else "user"
    if name == "persona":
        role = "system"
    return ContextEntry(name, role, tokens, included=reason not in LEFT_OUT, reason=reason)
