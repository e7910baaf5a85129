"""The port of every language model: a prompt goes in, batches of deltas come out."""

from collections.abc import AsyncGenerator, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from lianhua.chat.messages import Usage
from lianhua.chat.prompt import Prompt
from lianhua.models.tries import Tries

ModelKind = Literal["openai", "local", "demo", "scripted"]
Prefill = Literal["last", "prefix", "vllm"]


class GenerationOptions(Struct, frozen=True):
    """None leaves a parameter to the model's own default. `tries` is what the turn may still spend on asking."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    tries: Tries | None = None


class TextDelta(Struct, frozen=True):
    text: str


class ReasoningDelta(Struct, frozen=True):
    text: str


class Retrying(Struct, frozen=True):
    """Nothing was shown yet and the model is asked again in `retry_in_s` seconds. `code` says why, `attempt` for the
    how-manieth time, of `attempts` at most.
    """

    code: str
    retry_in_s: float
    attempt: int = 2
    attempts: int = 3


class Queued(Struct, frozen=True):
    """The model answers one at a time and `ahead` other turns come first."""

    ahead: int


class Corrected(Struct, frozen=True):
    """All that the stream has given so far should have been `text` and `reasoning`: where thoughts end is known only
    now.
    """

    text: str
    reasoning: str


class PictureLeftOut(Struct, frozen=True):
    """The model has drawn something, which is not kept. Comes once at most."""


class Finish(Struct, frozen=True):
    """The model said that it is done. A stream that ends without one was cut.

    `reason` is one of OpenAI's words where it means the same, else the server's own, in lower case.
    """

    reason: str
    usage: Usage | None = None


Delta = TextDelta | ReasoningDelta | Corrected | PictureLeftOut | Retrying | Queued | Finish


# How the size of a window is known: the operator or the model itself has `set` it, its server has `told` it or was seen
# to refuse more (`learnt`), it is `known` of a model that its provider alone runs, or `guessed` by the model's name.
WindowSource = Literal["set", "told", "learnt", "known", "guessed"]


class ModelInfo(Struct, frozen=True):
    """`context_tokens` is the whole window, prompt and reply, and `window` how that is known: only one that was set
    refuses a question. `note` is for people: where the model runs. `fallback` are ids of models that are asked in the
    place of this one when it cannot answer.

    `prefill` is how its server lets it go on with a reply of its own: where that is the `last` message, where it is
    also marked `prefix` (DeepSeek, Mistral), or by vLLM's `continue_final_message`. None: it has to be asked to. A
    `serial` one answers one at a time, or is slow for everybody while it answers two.
    """

    id: str
    name: str
    kind: ModelKind
    context_tokens: int
    images: bool = False
    note: str = ""
    prefill: Prefill | None = None
    serial: bool = False
    window: WindowSource = "set"
    fallback: tuple[str, ...] = ()


class ChatModel(Protocol):
    """One language model. Every implementation raises only `ModelError`s of its own accord."""

    @property
    def info(self) -> ModelInfo: ...

    def stream(self, prompt: Prompt, options: GenerationOptions) -> AsyncGenerator[Sequence[Delta], None]:
        """The reply in batches: as many deltas as one read brought, in order, no batch empty.

        Ends after a `Finish`, or without one where the model's answer was cut. Raises a `ModelError`; closing the
        iterator closes the connection to the model.
        """
        ...

    async def close(self) -> None:
        """Let go of every connection and child process."""
        ...
