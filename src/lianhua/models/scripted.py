"""A script instead of a model: for tests and benchmarks, where a reply has to be the same each time.

A script is a TOML file (`LIANHUA_SCRIPT` names it). The first rule whose `when` occurs in the last user message
answers it, and a rule without `when` answers everything. Where no rule fits, or one has no pieces and does not fail,
the reply is an echo that shows what the model was given: `echo: <last user message> (turn <user messages in the
prompt>: <messages in the prompt> messages)`.

    context_tokens = 8192       # the whole window that the model claims
    interval_s = 0.02               # between two pieces, for every rule that says nothing else

    [[reply]]
    when = "weather"            # a part of the last user message
    reasoning = ["Let me ", "look. "]
    pieces = ["It is ", "sunny."]   # {message}, {turn} and {messages} are filled in, as in the echo
    repeat = 1                  # how often the pieces come
    batch = 1                   # pieces in one batch
    first_s = 0.0               # before the first piece
    interval_s = 0.02
    finish = "stop"             # the finish reason; "" cuts the reply off without one
    fail = ""                   # a code such as "model_timeout": fails so after the pieces
    fail_calls = 0              # only the first so many calls fail; 0: all of them
    retry_s = []                # waits for another try that are announced before the first piece
"""

import asyncio
import tomllib
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from lianhua.chat.messages import Usage
from lianhua.chat.prompt import Prompt
from lianhua.errors import (
    ContextTooLong,
    ModelAuthFailed,
    ModelBadResponse,
    ModelError,
    ModelRateLimited,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
    WrongSettings,
)
from lianhua.models.port import (
    Delta,
    Finish,
    GenerationOptions,
    ModelInfo,
    ReasoningDelta,
    Retrying,
    TextDelta,
)

ECHO = "echo: {message} (turn {turn}: {messages} messages)"
# The echo comes in pieces of this many characters, so that even it streams.
ECHO_PIECE_CHARS = 8
# Prompts that are kept for a test to look at.
KEPT_PROMPTS = 64

_FAILURES: dict[str, type[ModelError]] = {
    error.code: error
    for error in (
        ContextTooLong,
        ModelAuthFailed,
        ModelBadResponse,
        ModelRateLimited,
        ModelRefused,
        ModelTimeout,
        ModelUnavailable,
    )
}


Seconds = Annotated[float, Meta(ge=0)]


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[reply]]` of a script. The module's docstring explains the fields."""

    when: str = ""
    reasoning: tuple[str, ...] = ()
    pieces: tuple[str, ...] = ()
    repeat: Annotated[int, Meta(ge=0)] = 1
    batch: Annotated[int, Meta(ge=1)] = 1
    first_s: Seconds = 0.0
    interval_s: Seconds | None = None
    finish: str = "stop"
    fail: str = ""
    fail_calls: Annotated[int, Meta(ge=0)] = 0
    retry_s: tuple[Seconds, ...] = ()

    def __post_init__(self) -> None:
        if self.fail and self.fail not in _FAILURES:
            raise ValueError(f"fail: should be one of {', '.join(sorted(_FAILURES))}")


class Script(Struct, frozen=True, forbid_unknown_fields=True, rename={"rules": "reply"}):
    """A whole script. Without rules everything is echoed."""

    rules: tuple[Rule, ...] = ()
    interval_s: Seconds = 0.0
    context_tokens: Annotated[int, Meta(ge=1)] = 8192


ECHO_SCRIPT = Script()


def load_script(path: Path) -> Script:
    """The script in the file `path`. Raises `WrongSettings` with one line."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), Script)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else " ".join(str(exc).split())
        raise WrongSettings(f"LIANHUA_SCRIPT: {path}: {reason}") from exc


class ScriptedModel:
    """A `ChatModel` that plays a script. `prompts` are the latest it was given, `running` the replies under way."""

    def __init__(self, script: Script = ECHO_SCRIPT, info: ModelInfo | None = None) -> None:
        self._script = script
        self._info = info or ModelInfo("scripted", "Scripted", "scripted", script.context_tokens)
        self._calls: dict[Rule, int] = {}
        self.prompts: deque[Prompt] = deque(maxlen=KEPT_PROMPTS)
        self.running = 0

    @property
    def info(self) -> ModelInfo:
        return self._info

    async def stream(self, prompt: Prompt, options: GenerationOptions) -> AsyncGenerator[Sequence[Delta], None]:
        """See `ChatModel`. The usage counts pieces as tokens."""
        self.prompts.append(prompt)
        self.running += 1
        try:
            async with aclosing(self._play(prompt)) as batches:
                async for batch in batches:
                    yield batch
        finally:
            self.running -= 1

    async def close(self) -> None:
        """Nothing is held."""

    async def _play(self, prompt: Prompt) -> AsyncGenerator[list[Delta], None]:
        message = prompt.last_said
        rule = next((rule for rule in self._script.rules if rule.when in message), Rule())
        interval_s = self._script.interval_s if rule.interval_s is None else rule.interval_s
        call = self._calls[rule] = self._calls.get(rule, 0) + 1
        for wait_s in rule.retry_s:
            yield [Retrying(ModelUnavailable.code, wait_s)]
            await asyncio.sleep(wait_s)
        deltas = _deltas(rule, prompt, message)
        await asyncio.sleep(rule.first_s)
        for start in range(0, len(deltas), rule.batch):
            if start:
                await asyncio.sleep(interval_s)
            yield deltas[start : start + rule.batch]
        if rule.fail and (not rule.fail_calls or call <= rule.fail_calls):
            raise _FAILURES[rule.fail]("scripted")
        if rule.finish:
            prompt_tokens = sum(len(message.content) for message in prompt.messages)
            yield [Finish(rule.finish, Usage(prompt_tokens, len(deltas)))]


def _deltas(rule: Rule, prompt: Prompt, message: str) -> list[Delta]:
    deltas: list[Delta] = [ReasoningDelta(piece) for piece in rule.reasoning]
    if rule.pieces or rule.fail:
        pieces = [_filled(piece, prompt, message) for piece in rule.pieces]
    else:
        echo = _filled(ECHO, prompt, message)
        pieces = [echo[at : at + ECHO_PIECE_CHARS] for at in range(0, len(echo), ECHO_PIECE_CHARS)]
    return deltas + [TextDelta(piece) for _ in range(rule.repeat) for piece in pieces if piece]


def _filled(text: str, prompt: Prompt, message: str) -> str:
    turn = sum(1 for sent in prompt.messages if sent.role == "user")
    # Not str.format: a message may hold braces of its own, and so may a piece of code in a script.
    for name, value in (
        ("{turn}", str(turn)),
        ("{messages}", str(len(prompt.messages))),
        ("{message}", message),
    ):
        text = text.replace(name, value)
    return text
