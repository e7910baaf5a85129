"""What the tests of a model over HTTP share: a model, a prompt, and ways to gather what it says."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from lianhua.models.openai import Limits
from lianhua.models.port import ChatModel, Delta, Finish, GenerationOptions, ModelInfo, Retrying, TextDelta
from tests.models.prompts import prompt_of
from tests.upstream import DONE, chunk, events, text

Ask = Callable[..., Awaitable[list[Delta]]]

INFO = ModelInfo("test-model", "Test", "openai", 8192)
QUICK = Limits(connect_s=2, first_byte_s=5, delta_s=5, retry_s=0.01)
PLAIN = GenerationOptions()
PROMPT = prompt_of("SECRET-PROMPT")
KEY = "SECRET-KEY"
HELLO = events(text("Hel"), text("lo"), chunk(finish="stop"), DONE)
HELLO_DELTAS: list[Delta] = [TextDelta("Hel"), TextDelta("lo"), Finish("stop")]


async def said(model: ChatModel, options: GenerationOptions = PLAIN) -> list[Delta]:
    batches = [batch async for batch in model.stream(PROMPT, options)]
    assert all(batches), "an empty batch"
    return [delta for batch in batches for delta in batch]


def shown(deltas: Sequence[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


def retries(deltas: Sequence[Delta]) -> list[str]:
    return [delta.code for delta in deltas if isinstance(delta, Retrying)]


async def taken(stream: AsyncGenerator[Sequence[Delta], None]) -> list[Delta]:
    return list(await anext(stream))
