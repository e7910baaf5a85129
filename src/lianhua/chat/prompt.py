"""Which messages a model is given, and the account of it: pure, no I/O.

The persona's system prompt comes first, then the newest messages that fit both the message count and the token
budget. The last user message is always there, and pinned messages are as far as the budget goes. All others are taken
without gaps, from where the `window` begins, for a conversation with holes reads as a different conversation.

Many chat templates take nothing but a system prompt and then the user and the assistant by turns, the user first, and a
prompt that one of them refuses it refuses for ever. So messages of the same speaker that follow each other are made
one, and a window begins with a question.
"""

from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from typing import Literal

import msgspec
from msgspec import Struct

from lianhua.chat.context_report import ContextReport, report_of
from lianhua.chat.messages import ContextAccount, ContextEntry, Language, Message, Speaker
from lianhua.chat.window import Earlier, Room, reasons_left_out, window_start
from lianhua.errors import ContextTooLong, MessageTooLong

CountTokens = Callable[[str], int]

# What a chat template adds around each message: role markers and separators. OpenAI documents 3, ChatML-style
# templates use 4 to 5.
TOKENS_PER_MESSAGE = 5
# A reply keeps a quarter of the context window, at most this much: more only starves the conversation's memory.
REPLY_RESERVE_TOKENS = 4096

# Between messages of the same speaker that are sent as one.
JOINT = "\n\n"
# What the user "says" before a reply that has no question above it: a pinned one, or a greeting.
OPENING: dict[Language, str] = {"zh": "（以下是对话中的内容。）", "en": "(From the conversation:)"}

# What a model is told after the part of a reply that was kept when its worker was lost.
GO_ON: dict[Language, str] = {
    "zh": "你的上一条回复在这里中断了。请从中断的地方直接接着写，不要重复已经写过的内容，也不要解释。",
    "en": "Your reply was cut off here. Go on from exactly this point: repeat nothing of it and do not comment.",
}


class PromptMessage(Struct, frozen=True):
    """One message as a model receives it."""

    role: Literal["system", "user", "assistant"]
    content: str


class Prompt(Struct, frozen=True):
    """What a model is given for one turn: the persona's system prompt first, if it has one, then user and assistant by
    turns, the last user message last; where a cut reply goes on, that reply after it.

    `context` is the account of what was included and left out; of the models only `demo` looks at it. `question` is the
    last user message without those that were made one with it. `path` has the ids of the question and of the messages
    above it, each one's parent next.
    """

    messages: tuple[PromptMessage, ...]
    context: ContextAccount
    language: Language = "zh"
    persona_name: str = ""
    question: str = ""
    path: tuple[str, ...] = ()

    @property
    def report(self) -> ContextReport:
        """The account as it is stored."""
        return report_of(self.context, self.path)

    @property
    def last_said(self) -> str:
        """The last message, without those that were made one with it."""
        last = self.messages[-1].content
        return self.question if self.question and last.endswith(self.question) else last


def token_budget(context_tokens: int, reply_tokens: int | None = None) -> int:
    """Tokens that the prompt may use in a window of `context_tokens`: what the reply does not need."""
    return max(context_tokens - (reply_tokens or reply_reserve(context_tokens)), 1)


def reply_reserve(context_tokens: int) -> int:
    """Tokens of a window of `context_tokens` that are kept for a reply where nothing else is set."""
    return min(context_tokens // 4, REPLY_RESERVE_TOKENS)


def smaller_budget(refused: ContextAccount) -> int:
    """Tokens for a second try after the model refused a prompt as too long: half of the history, all of the rest.

    Raises `ContextTooLong` when there is no history to leave out.
    """
    if not has_history(refused):
        raise ContextTooLong("persona and question alone")
    history = sum(entry.tokens for entry in refused.messages if _is_history(entry))
    return refused.used_tokens - (history + 1) // 2


def unanswered(account: ContextAccount) -> frozenset[str]:
    """The ids of the questions that were sent although no reply came to them, and of those left out for that."""
    sent = [entry for entry in account.messages if entry.included]
    return frozenset(
        entry.id
        for entry, after in pairwise(sent)
        if entry.role == after.role == "user" and entry.reason in ("fits", "joined")
    ) | left_out_unanswered(account)


def left_out_unanswered(account: ContextAccount) -> frozenset[str]:
    """The ids of the questions that the model refused to hear with others."""
    return frozenset(entry.id for entry in account.messages if entry.reason == "unanswered")


def has_history(account: ContextAccount) -> bool:
    """Whether anything was sent that can be left out."""
    return any(_is_history(entry) for entry in account.messages)


def _is_history(entry: ContextEntry) -> bool:
    return entry.included and entry.reason in ("fits", "joined", "pinned")


def message_tokens(text: str, count: CountTokens) -> int:
    """What one message costs in the window, its markers included."""
    return count(text) + TOKENS_PER_MESSAGE


def going_on_tokens(kept: str, language: Language, count: CountTokens, *, prefill: bool = False) -> int:
    """What `going_on` adds to a prompt."""
    return message_tokens(kept, count) + (0 if prefill else message_tokens(GO_ON[language], count))


def going_on(prompt: Prompt, reply_id: str, kept: str, count: CountTokens, *, prefill: bool = False) -> Prompt:
    """The prompt with the reply as far as it came, and the request to go on from there.

    With `prefill` without the request: the model's server lets it go on by itself.
    """
    added = [PromptMessage("assistant", kept)]
    entries = [ContextEntry(reply_id, "assistant", message_tokens(kept, count), included=True, reason="kept")]
    if not prefill:
        request = GO_ON[prompt.language]
        added.append(PromptMessage("user", request))
        entries.append(ContextEntry("go_on", "user", message_tokens(request, count), included=True, reason="go_on"))
    account = prompt.context
    account = ContextAccount(
        account.budget_tokens + sum(entry.tokens for entry in entries),
        account.used_tokens + sum(entry.tokens for entry in entries),
        account.older_left_out,
        account.messages + tuple(entries),
    )
    return msgspec.structs.replace(prompt, messages=prompt.messages + tuple(added), context=account)


def select(
    system: str,
    history: Sequence[Message],
    question: Message,
    *,
    max_messages: int,
    budget_tokens: int,
    count: CountTokens,
    older: int = 0,
    pinned: Collection[str] = (),
    language: Language = "zh",
    persona_name: str = "",
    smaller_than: ContextAccount | None = None,
    former: str | None = None,
    refuses: bool = True,
    without: Collection[str] = (),
) -> Prompt:
    """The prompt for `question`, with as much of `history` (oldest first, without `question`) as fits.

    `max_messages` counts the question too. Messages whose ids are in `pinned` have their place before all others, and
    beyond `max_messages` if need be. `older` is how many messages of the branch are not in `history`. `former` is the
    message that the window began with in the turn before. With `smaller_than`, an earlier account that the model
    refused as too long, what falls out now is marked `retry_smaller`; the ids in `without` are left out as
    `unanswered`. Raises `MessageTooLong` (in tokens) when persona and question alone exceed the budget and it
    `refuses`; else they are sent alone.
    """
    system = system.strip()
    system_tokens = message_tokens(system, count) if system else 0
    question_tokens = message_tokens(question.content, count)
    used = system_tokens + question_tokens
    if used > budget_tokens and refuses:
        raise MessageTooLong(max(budget_tokens - system_tokens, 0), question_tokens, "tokens")

    costs = [message_tokens(message.content, count) for message in history]
    greeting = _greeting(history, older)
    if any(message.role == "assistant" and message.id in {*pinned, greeting} for message in history):
        used += message_tokens(OPENING[language], count)
    held = _held(history, costs, pinned, budget_tokens - used)
    used += sum(tokens for message, tokens in zip(history, costs, strict=True) if message.id in held)
    repeated = _repeated([*history, question], pinned)
    earlier = _earlier(history, costs, held, {*pinned, *repeated, *without}, greeting)
    room = Room(max_messages - 1 - len(held), budget_tokens - used)
    start = window_start(earlier, room, former)
    left_out = reasons_left_out(earlier, room, start)

    sent_before = {entry.id for entry in smaller_than.messages if entry.included} if smaller_than else set()
    talk = _Talk(count, language)
    for place, (message, tokens) in enumerate(zip(history, costs, strict=True)):
        if message.id in held:
            talk.add(message, tokens, "pinned")
        elif not _says_something(message):
            talk.leave_out(message, tokens, "empty")
        elif message.id in without:
            talk.leave_out(message, tokens, "unanswered")
        elif message.id in repeated:
            talk.leave_out(message, tokens, "repeated")
        elif place < start or message.id in pinned:
            why = "token_budget" if message.id in pinned else left_out[place]
            talk.leave_out(message, tokens, "retry_smaller" if message.id in sent_before else why)
        else:
            talk.add(message, tokens, "fits")
    talk.add(question, question_tokens, "last_message")

    why = "persona" if system else "empty"
    persona = ContextEntry("persona", "system", system_tokens, included=bool(system), reason=why)
    entries = (persona, *talk.entries)
    used = sum(entry.tokens for entry in entries if entry.included)
    opening = [PromptMessage("system", system)] if system else []
    account = ContextAccount(budget_tokens, used, older, entries)
    messages = (*opening, *talk.messages())
    return Prompt(messages, account, language, persona_name, question.content, ancestry(question, history))


def ancestry(message: Message, history: Sequence[Message]) -> tuple[str, ...]:
    """The ids of a message and of those above it, each one's parent next, as far as they follow in `history` (oldest
    first, without it).
    """
    path, parent = [message.id], message.parent_id
    for above in reversed(history):
        if above.id != parent:
            break
        path.append(above.id)
        parent = above.parent_id
    return tuple(path)


class _Talk:
    """What user and assistant say by turns, the user first, and the account of it."""

    def __init__(self, count: CountTokens, language: Language) -> None:
        self.entries: list[ContextEntry] = []
        self._said: list[tuple[Speaker, list[str]]] = []
        self._count = count
        self._opening = OPENING[language]

    def add(self, message: Message, tokens: int, reason: str) -> None:
        if not self._said and message.role == "assistant":
            self._said.append(("user", [self._opening]))
            cost = message_tokens(self._opening, self._count)
            self.entries.append(ContextEntry("opening", "user", cost, included=True, reason="opening"))
        if self._said and self._said[-1][0] == message.role:
            self._said[-1][1].append(message.content)
            tokens = self._count(JOINT + message.content)
            reason = "joined" if reason == "fits" else reason
        else:
            self._said.append((message.role, [message.content]))
        self.entries.append(ContextEntry(message.id, message.role, tokens, included=True, reason=reason))

    def leave_out(self, message: Message, tokens: int, reason: str) -> None:
        self.entries.append(ContextEntry(message.id, message.role, tokens, included=False, reason=reason))

    def messages(self) -> list[PromptMessage]:
        return [PromptMessage(role, JOINT.join(texts)) for role, texts in self._said]


def _held(history: Sequence[Message], costs: Sequence[int], pinned: Collection[str], room_tokens: int) -> set[str]:
    """The ids of the pinned messages that fit, the newest first in line."""
    held: set[str] = set()
    for message, tokens in zip(reversed(history), reversed(costs), strict=True):
        if message.id in pinned and _says_something(message) and tokens <= room_tokens:
            held.add(message.id)
            room_tokens -= tokens
    return held


def _earlier(
    history: Sequence[Message],
    costs: Sequence[int],
    held: Collection[str],
    apart: Collection[str],
    greeting: str | None,
) -> list[Earlier]:
    """The history as the window sees it: what is `held` is in the prompt anyway, and like all that is `apart` takes no
    room of it.
    """
    earlier: list[Earlier] = []
    before: Speaker | None = None  # who speaks just before a window that begins here
    for message, tokens in zip(history, costs, strict=True):
        if message.id in held:
            before = message.role
        in_window = _says_something(message) and message.id not in apart
        can_begin = message.role == "user" or before == "user" or message.id == greeting
        earlier.append(Earlier(message.id, tokens if in_window else None, in_window and can_begin))
    return earlier


def _says_something(message: Message) -> bool:
    """Whether there is anything but white space, which many servers refuse, in a message."""
    return bool(message.content.strip())


def _greeting(history: Sequence[Message], older: int) -> str | None:
    """The id of what the conversation begins with, where that is a reply."""
    first = next(filter(_says_something, history), None)
    return first.id if first and first.role == "assistant" and older == 0 else None


def _repeated(messages: Sequence[Message], pinned: Collection[str]) -> set[str]:
    """The unanswered questions that were sent once more, word for word."""
    said = [message for message in messages if _says_something(message)]
    return {
        message.id
        for message, after in pairwise(said)
        if message.role == after.role == "user" and message.content == after.content and message.id not in pinned
    }
