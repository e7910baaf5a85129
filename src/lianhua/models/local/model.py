"""A language model on this computer: a GGUF file, served by a process of its own, one turn at a time."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from lianhua.chat.prompt import Prompt, token_budget
from lianhua.errors import ModelError, ModelUnavailable
from lianhua.models.download.small import SMALL_MODEL
from lianhua.models.local.child import Sampling
from lianhua.models.local.host import ModelHost, ModelServer, OwnHost, Wanted
from lianhua.models.openai.model import Limits, OpenAIModel
from lianhua.models.port import Delta, Finish, GenerationOptions, ModelInfo, Queued, Retrying

# What fits in memory beside the weights: 28 KB a token for the small model, so 230 MB.
CONTEXT_TOKENS = 8192
# Cool, so that a model of this size keeps to what was said. Without DRY, 2 of 15 conversations ended in one sentence
# for ever; a plain repeat penalty ends that too, but makes the model avoid the user's own name.
SMALL_MODEL_SAMPLING = Sampling(temperature=0.3, top_p=0.8, top_k=20, dry_multiplier=0.8)


def local_info(file: Path, context_tokens: int = CONTEXT_TOKENS) -> ModelInfo:
    """What people are told about the model in `file`."""
    small = file.name == SMALL_MODEL.file_name
    return ModelInfo(
        id=SMALL_MODEL.id if small else file.stem.lower(),
        name=SMALL_MODEL.name if small else file.stem,
        kind="local",
        context_tokens=context_tokens,
        note="on this computer · 在本机运行",
        serial=True,
        prefill="last",  # llama.cpp's server: a last message of the model's own is gone on with
    )


class LocalModel:
    """`ChatModel` over the GGUF file `file`.

    The file is loaded in the background by `start`, else by the first turn. A process that dies fails the
    turn it was answering with `ModelUnavailable`; the next turn starts another one.
    """

    def __init__(
        self,
        file: Path,
        limits: Limits,
        *,
        info: ModelInfo | None = None,
        sampling: Sampling | None = None,
        host: ModelHost | None = None,
    ) -> None:
        """`info.context_tokens` is the window that is asked for; `sampling` None means the file's own. The model runs
        at `host`, in a child of this process where none is named.
        """
        self._limits = limits
        self._info = info or local_info(file)
        known = SMALL_MODEL_SAMPLING if file.name == SMALL_MODEL.file_name else None
        window = self._info.context_tokens
        # A reply without a limit of its own gets what the prompt's budget leaves: one that goes round in circles would
        # hold up everybody.
        reply = window - token_budget(window)
        self._wanted = Wanted(str(file.absolute()), self._info.id, window, reply, sampling or known)
        self._host = host or OwnHost()
        self._loading: asyncio.Task[None] | None = None

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def pid(self) -> int | None:
        """The child's process id, None where none is up."""
        return self._host.pid()

    def start(self) -> None:
        """Begin to load in the background. A failure is logged; the next turn tries again."""
        self._loading = asyncio.create_task(self._load(), name=f"load {self._info.id}")

    async def ready(self) -> None:
        """Wait until the model is loaded. Raises `ModelUnavailable` with one line that says why it is not."""
        await self._host.server(self._wanted)

    async def stream(self, prompt: Prompt, options: GenerationOptions) -> AsyncGenerator[Sequence[Delta], None]:
        """As the port promises; while other turns come first, a `Queued` each time their number changes."""
        place = await self._host.join()
        try:
            while ahead := place.ahead:
                yield [Queued(ahead)]
                await place.moved()
            server = await self._host.server(self._wanted)
            # One client a turn: the server ends its connection after each streamed reply without saying so,
            # and a turn that comes at once would write into the dying one.
            client = OpenAIModel(
                self._info, f"{server.url}/v1", server.api_key, self._limits, upstream_model=self._info.id
            )
            try:
                async with contextlib.aclosing(_watched(server, client.stream(prompt, options))) as batches:
                    async for batch in batches:
                        yield batch
            finally:
                await client.close()
        finally:
            place.leave()

    async def close(self) -> None:
        """End the child and wait until it is gone; one that is another process's stays."""
        await self._host.close()
        if self._loading:
            self._loading.cancel()
            await asyncio.wait({self._loading})

    async def _load(self) -> None:
        with contextlib.suppress(ModelUnavailable):  # the host has logged why
            await self.ready()


async def _watched(
    server: ModelServer, reply: AsyncGenerator[Sequence[Delta], None]
) -> AsyncGenerator[Sequence[Delta], None]:
    """The reply; where the process ends before the reply does, `ModelUnavailable`."""
    died = ModelUnavailable("the local model's process ended during a reply")
    finished = False
    try:
        async with contextlib.aclosing(reply):
            async for batch in reply:
                # Asking again is for servers that are busy; one that is gone is started by the next turn.
                if isinstance(batch[-1], Retrying) and await server.gone():
                    raise died
                finished = finished or isinstance(batch[-1], Finish)
                yield batch
    except ModelError as exc:
        if exc is not died and await server.gone():
            raise died from exc
        raise
    if not finished and await server.gone():
        raise died
