"""What the tests of a model over HTTP share: a model, a prompt, and ways to gather what it says."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from lianhua.chat.prompt import Prompt
from lianhua.models.openai.model import Limits
from lianhua.models.port import (
    ChatModel,
    Delta,
    Finish,
    GenerationOptions,
    ModelInfo,
    ReasoningDelta,
    Retrying,
    TextDelta,
)
from tests.support.models.prompts import prompt_of
from tests.support.upstream import DONE, chunk, events, text

Ask = Callable[..., Awaitable[list[Delta]]]

INFO = ModelInfo("test-model", "Test", "openai", 8192)
QUICK = Limits(connect_s=30, first_byte_s=30, delta_s=30, retry_s=0.01)
PLAIN = GenerationOptions()
PROMPT = prompt_of("SECRET-PROMPT")
KEY = "SECRET-KEY"
HELLO = events(text("Hel"), text("lo"), chunk(finish="stop"), DONE)
HELLO_DELTAS: list[Delta] = [TextDelta("Hello"), Finish("stop")]


async def said(model: ChatModel, options: GenerationOptions = PLAIN, prompt: Prompt = PROMPT) -> list[Delta]:
    """The whole reply; what came in one read and what in the next is chance, so neighbours of a kind are made one."""
    batches = [batch async for batch in model.stream(prompt, options)]
    assert all(batches), "an empty batch"
    return joined([delta for batch in batches for delta in batch])


def joined(deltas: Sequence[Delta]) -> list[Delta]:
    whole: list[Delta] = []
    for delta in deltas:
        match whole[-1:], delta:
            case [TextDelta(before)], TextDelta(text):
                whole[-1] = TextDelta(before + text)
            case [ReasoningDelta(before)], ReasoningDelta(text):
                whole[-1] = ReasoningDelta(before + text)
            case _:
                whole.append(delta)
    return whole


def shown(deltas: Sequence[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


def retries(deltas: Sequence[Delta]) -> list[str]:
    return [delta.code for delta in deltas if isinstance(delta, Retrying)]


async def taken(stream: AsyncGenerator[Sequence[Delta], None]) -> list[Delta]:
    return list(await anext(stream))
