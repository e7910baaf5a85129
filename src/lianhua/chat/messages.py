"""The values that a conversation is made of: frozen, compared by content, the same in the store and in the service."""

from typing import Literal

from msgspec import Struct

Language = Literal["zh", "en"]
Speaker = Literal["user", "assistant"]
# What became of a reply. A user's message is always `done`.
MessageStatus = Literal["done", "stopped", "failed", "interrupted"]
TurnStatus = Literal["running", "done", "stopped", "failed", "interrupted"]


class Usage(Struct, frozen=True, omit_defaults=True):
    """Tokens of one turn; `estimated` where the provider gave no figures and we counted.

    `cached_tokens` of the prompt were in the provider's cache. Reasoning counts as completion.
    """

    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False
    cached_tokens: int = 0


class Spent(Struct, frozen=True):
    """What a conversation has cost with one model, in tokens; `estimated` of them were counted by us."""

    turns: int
    prompt: int
    completion: int
    estimated: int


class Message(Struct, frozen=True, omit_defaults=True, rename={"depth": "n"}):
    """One message as stored. `timestamp` is Unix seconds by the store's clock.

    `depth` is its place in its branch, counted from 0: what retention has dropped still counts. `finish_reason` is why
    a reply ended, as its `end` event told.
    """

    id: str
    role: Speaker
    content: str
    parent_id: str | None = None
    timestamp: float = 0.0
    depth: int = 0
    status: MessageStatus = "done"
    code: str | None = None
    reasoning: str = ""
    model: str | None = None
    persona: str | None = None
    usage: Usage | None = None
    turn_id: str | None = None
    finish_reason: str | None = None


class Conversation(Struct, frozen=True):
    """A conversation without its messages. Times are Unix seconds; `expires_at` is None where it never expires.

    `model` is None where the conversation follows the server's default model. `usage` is by model.
    """

    id: str
    owner: str
    title: str
    role: str
    model: str | None
    created_at: float
    updated_at: float
    expires_at: float | None
    pinned: bool
    message_count: int
    running_turn_id: str | None
    usage: dict[str, Spent] = {}


class ContextEntry(Struct, frozen=True, omit_defaults=True):
    """One line of the account: a message that was sent to the model or left out, and why.

    `id` is "persona" for the system prompt. `reason` is one of: persona, last_message, fits, joined (made one with the
    message before it), pinned, opening (a line of the server's above a reply that would come first), and where a cut
    reply goes on kept (the reply so far) and go_on (the request for the rest) (all sent); message_count, token_budget,
    no_question, repeated, unanswered, empty, retry_smaller (all left out).
    """

    id: str
    role: Literal["system", "user", "assistant"]
    tokens: int
    included: bool
    reason: str


class ContextAccount(Struct, frozen=True):
    """What of a conversation was sent to the model for one turn. Entries stand in the order of the prompt.

    `older_left_out` counts the messages before the first entry: they were beyond the message count, or beyond the bytes
    that are read for a prompt, and not even read.
    """

    budget_tokens: int
    used_tokens: int
    older_left_out: int
    messages: tuple[ContextEntry, ...]
