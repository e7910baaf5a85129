"""A conversation outside of the store: the values, what they may hold, and how our own file writes them.

The order of the fields is the order in the file.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct, structs

from lianhua.chat.messages import MessageStatus, Speaker, Spent, Usage
from lianhua.chat.personas import MAX_TOKENS, PROMPT_CHARS, OwnPersona
from lianhua.chat.plain_text import NAME_CHARS, TITLE_CHARS

FORMAT: Final = "lianhua"
VERSION: Final = 1

CONVERSATIONS: Final = 200_000  # in a file; their ids alone are some 20 MB
CONVERSATION_BYTES: Final = 64 * 1024 * 1024  # in the file; what is read at once is held whole, and some times over
CONVERSATION_MESSAGES: Final = 100_000
BRANCHES: Final = 10_000  # of a conversation: the store climbs from branch to branch, a microsecond each
CHILDREN: Final = 5_000  # of one message: whoever reads or drops one of them reads the ids of all
MODELS: Final = 100  # that a conversation has used: the store reads the sums of all with each turn
TOKENS: Final = 2**40  # of one figure: the store adds figures up in Lua, which writes no more than 14 digits
SETTINGS: Final = 100  # in a file
LATEST_S: Final = 253_402_300_799.0  # the last second of the year 9999

# UUID version 4, lower case: the only form that a conversation's address has.
_CONVERSATION_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

# Letters, digits and what stands in UUIDs: an id is a word of the store's lists.
MessageId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}\Z")]
# Of which characters they are, and how large the figures, is mended where it has to be (`sanitize`).
Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS)]
Title = Annotated[str, Meta(max_length=TITLE_CHARS)]
Time = Annotated[float, Meta(ge=0, le=LATEST_S)]
Place = Annotated[int, Meta(ge=0, le=2**31)]


class Branch(Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """Where a branch begins: the branch and the depth it forks from (None and -1 at the root). And where it ends."""

    parent: Place | None
    fork: Annotated[int, Meta(ge=-1, le=2**31)]
    tip: Place


class PortableMessage(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A message. `depth` counts from the root what retention has dropped too; its parent may be such a one.

    `branch` is its place in the conversation's `branches`, `sibling` among the children of its parent.
    """

    id: MessageId
    role: Speaker
    content: str
    timestamp: Time
    parent_id: MessageId | None = None
    depth: Place = 0
    branch: Place = 0
    sibling: Place = 0
    status: MessageStatus = "done"
    finish_reason: Annotated[str, Meta(max_length=64)] | None = None
    code: Annotated[str, Meta(max_length=64)] | None = None
    reasoning: str = ""
    model: Name | None = None
    persona: Name | None = None
    usage: Usage | None = None
    pinned: bool = False


class PortableHead(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """A conversation without its messages. `titled` says who named it: nobody (""), a model, or the user.

    `current` is the last message of the branch that is shown. `branches` are all that there ever were.
    """

    id: str
    title: Title = ""
    titled: Literal["", "model", "user"] = ""
    role: Name
    model: Name | None = None
    created_at: Time
    updated_at: Time
    pinned: bool = False
    current: MessageId | None = None
    usage: Annotated[dict[Name, Spent], Meta(max_length=MODELS)] = {}
    branches: tuple[Branch, ...] = ()


class PortableConversation(PortableHead, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """With its messages, in the order in which retention would drop them: the oldest first."""

    messages: tuple[PortableMessage, ...] = ()


class PortablePersona(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """A persona that a user has made, within the limits of one that is made by hand."""

    id: Annotated[str, Meta(pattern=r"^own-[0-9a-f]{10}\Z")]
    name: Annotated[str, Meta(min_length=1, max_length=80)]
    icon: Annotated[str, Meta(max_length=16)]
    description: Annotated[str, Meta(max_length=200)]
    prompt: Annotated[str, Meta(min_length=1, max_length=PROMPT_CHARS)]
    welcome: Annotated[str, Meta(max_length=2_000)] = ""
    suggestions: Annotated[tuple[Annotated[str, Meta(max_length=200)], ...], Meta(max_length=6)] = ()
    model: Name | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=MAX_TOKENS[0], le=MAX_TOKENS[1])] | None = None
    created_at: Time = 0.0
    updated_at: Time = 0.0

    def as_own(self) -> OwnPersona:
        return OwnPersona(**structs.asdict(self))


_encode = msgspec.json.Encoder().encode


def opening(settings: Mapping[str, str], personas: list[msgspec.Raw]) -> bytes:
    """The beginning of our file, up to where the conversations come."""
    listed = b",\n".join(personas)
    head = _encode({"format": FORMAT, "version": VERSION, "settings": dict(sorted(settings.items()))})
    return head[:-1] + b',"personas":[' + (b"\n" + listed if listed else b"") + b'],\n"conversations":['


def head_of(conversation: PortableHead) -> bytes:
    """A conversation up to where its messages come; a line of its own, as each message has one."""
    return b"\n" + _encode(conversation)[:-1] + b',"messages":['


def messages_of(messages: list[PortableMessage], *, first: bool) -> bytes:
    """Some of its messages."""
    lines = b",\n".join(_encode(message) for message in messages)
    return (b"\n" if first else b",\n") + lines if lines else b""


END_OF_CONVERSATION: Final = b"]}"
END_OF_CONVERSATIONS: Final = b"\n],\n"  # after it comes the end mark (`seal`)


def is_conversation_id(text: object) -> bool:
    """Whether it has the form of our ids."""
    return isinstance(text, str) and _CONVERSATION_ID.fullmatch(text) is not None
