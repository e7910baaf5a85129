"""Which messages a model is given, and the account of it: pure, no I/O.

The persona's system prompt comes first, then the newest messages that fit both the message count and the token
budget. The last user message is always there, and pinned messages are as far as the budget goes. All others are taken
without gaps: the first one that does not fit ends the window, for a conversation with holes reads as a different
conversation.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Literal

from msgspec import Struct

from lianhua.errors import ContextTooLong, MessageTooLong
from lianhua.messages import ContextAccount, ContextEntry, Language, Message

CountTokens = Callable[[str], int]

# What a chat template adds around each message: role markers and separators. OpenAI documents 3, ChatML-style
# templates use 4 to 5.
TOKENS_PER_MESSAGE = 5
# A reply keeps a quarter of the context window, at most this much: more only starves the conversation's memory.
REPLY_RESERVE_TOKENS = 4096

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
    """What a model is given for one turn: the persona's system prompt first, the last user message last; where a cut
    reply goes on, that reply after it.

    `context` is the account of what was included and left out; of the models only `demo` looks at it.
    """

    messages: tuple[PromptMessage, ...]
    context: ContextAccount
    language: Language = "zh"
    persona_name: str = ""


def token_budget(context_tokens: int, reply_tokens: int | None = None) -> int:
    """Tokens that the prompt may use in a window of `context_tokens`: what the reply does not need."""
    reserve = reply_tokens or min(context_tokens // 4, REPLY_RESERVE_TOKENS)
    return max(context_tokens - reserve, 1)


def smaller_budget(refused: ContextAccount) -> int:
    """Tokens for a second try after the model refused a prompt as too long: half of the history, all of the rest.

    Raises `ContextTooLong` when there is no history to leave out.
    """
    history = [entry.tokens for entry in refused.messages if entry.included and entry.reason in ("fits", "pinned")]
    if not history:
        raise ContextTooLong("persona and question alone")
    return refused.used_tokens - (sum(history) + 1) // 2


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
    return Prompt(prompt.messages + tuple(added), account, prompt.language, prompt.persona_name)


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
) -> Prompt:
    """The prompt for `question`, with as much of `history` (oldest first, without `question`) as fits.

    `max_messages` counts the question too. Messages whose ids are in `pinned` have their place before all others, and
    beyond `max_messages` if need be. `older` is how many messages of the branch are not in `history`. With
    `smaller_than`, an earlier account that the model refused as too long, what falls out now is marked `retry_smaller`.
    Raises `MessageTooLong` (in tokens) when persona and question alone exceed the budget.
    """
    system_tokens = message_tokens(system, count)
    question_tokens = message_tokens(question.content, count)
    used = system_tokens + question_tokens
    if used > budget_tokens:
        raise MessageTooLong(max(budget_tokens - system_tokens, 0), question_tokens, "tokens")

    sent_before = {entry.id for entry in smaller_than.messages if entry.included} if smaller_than else set()
    costs = [message_tokens(message.content, count) for message in history]
    held: set[str] = set()  # the pinned ones that fit, the newest first in line
    for message, tokens in zip(reversed(history), reversed(costs), strict=True):
        if message.id in pinned and message.content and used + tokens <= budget_tokens:
            held.add(message.id)
            used += tokens

    entries: list[ContextEntry] = [
        ContextEntry(question.id, question.role, question_tokens, included=True, reason="last_message")
    ]
    kept: list[PromptMessage] = [PromptMessage("user", question.content)]
    places = max_messages - 1 - len(held)
    closed: str | None = None  # why the window takes no more messages
    for message, tokens in zip(reversed(history), reversed(costs), strict=True):
        if message.id in held:
            reason, included = "pinned", True
        elif not message.content:
            reason, included = "empty", False
        else:
            if closed is None and places <= 0:
                closed = "message_count"
            if closed is None and used + tokens > budget_tokens:
                closed = "token_budget"
            why = "token_budget" if message.id in pinned else closed
            if why is not None:
                reason, included = "retry_smaller" if message.id in sent_before else why, False
            else:
                reason, included = "fits", True
                used += tokens
                places -= 1
        if included:
            kept.append(PromptMessage(message.role, message.content))
        entries.append(ContextEntry(message.id, message.role, tokens, included=included, reason=reason))
    entries.append(ContextEntry("persona", "system", system_tokens, included=True, reason="persona"))
    kept.append(PromptMessage("system", system))
    account = ContextAccount(budget_tokens, used, older, tuple(reversed(entries)))
    return Prompt(tuple(reversed(kept)), account, language, persona_name)
