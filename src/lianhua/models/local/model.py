"""A language model on this computer: a GGUF file, served by a child process, one turn at a time."""

import asyncio
import contextlib
import logging
import os
import secrets
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from lianhua.chat.prompt import Prompt, token_budget
from lianhua.errors import ModelError, ModelUnavailable
from lianhua.models.download.small import SMALL_MODEL
from lianhua.models.local.child import Order, Sampling
from lianhua.models.local.process import ModelProcess
from lianhua.models.openai.model import Limits, OpenAIModel
from lianhua.models.port import Delta, Finish, GenerationOptions, ModelInfo, Queued, Retrying
from lianhua.models.queue import Line

log = logging.getLogger(__name__)

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
    ) -> None:
        """`info.context_tokens` is the window that is asked for; `sampling` None means the file's own."""
        self._file = file
        self._limits = limits
        self._info = info or local_info(file)
        known = SMALL_MODEL_SAMPLING if file.name == SMALL_MODEL.file_name else None
        self._sampling = sampling or known
        self._line = Line()
        self._loading: asyncio.Task[ModelProcess] | None = None
        self._closed = False

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def pid(self) -> int | None:
        """The child's process id, None where none is up."""
        process = self._up()
        return process.pid if process else None

    def start(self) -> None:
        """Begin to load in the background. A failure is logged; the next turn tries again."""
        self._load()

    async def ready(self) -> None:
        """Wait until the model is loaded. Raises `ModelUnavailable` with one line that says why it is not."""
        await self._process()

    async def stream(self, prompt: Prompt, options: GenerationOptions) -> AsyncGenerator[Sequence[Delta], None]:
        """As the port promises; while other turns come first, a `Queued` each time their number changes."""
        place = self._line.join()
        try:
            while ahead := place.ahead:
                yield [Queued(ahead)]
                await place.moved()
            process = await self._process()
            # One client a turn: the server ends its connection after each streamed reply without saying so,
            # and a turn that comes at once would write into the dying one.
            client = OpenAIModel(
                self._info, f"{process.url}/v1", process.api_key, self._limits, upstream_model=self._info.id
            )
            try:
                async with contextlib.aclosing(_watched(process, client.stream(prompt, options))) as batches:
                    async for batch in batches:
                        yield batch
            finally:
                await client.close()
        finally:
            place.leave()

    async def close(self) -> None:
        """End the child and wait until it is gone."""
        self._closed = True
        loading, self._loading = self._loading, None
        if loading is None:
            return
        loading.cancel()
        await asyncio.wait({loading})
        if (process := _loaded(loading)) is not None:
            await process.stop()

    def _up(self) -> ModelProcess | None:
        process = _loaded(self._loading)
        return process if process and process.running else None

    async def _process(self) -> ModelProcess:
        # A turn that is cancelled does not cancel the load: the next one waits for it.
        return await asyncio.shield(self._load())

    def _load(self) -> asyncio.Task[ModelProcess]:
        """The load under way or done; a new one where there is none, or the last one came to nothing."""
        if self._closed:
            raise ModelUnavailable("the local model is closed")
        before = self._loading
        if before is not None and (not before.done() or self._up() is not None):
            return before
        self._loading = asyncio.create_task(self._start(_loaded(before)), name=f"local-model-{self._info.id}")
        self._loading.add_done_callback(_tell)
        return self._loading

    async def _start(self, dead: ModelProcess | None) -> ModelProcess:
        if dead is not None:
            await dead.stop()
        context_tokens = self._info.context_tokens
        return await ModelProcess.start(
            Order(
                file=str(self._file.absolute()),
                alias=self._info.id,
                api_key=secrets.token_urlsafe(32),
                context_tokens=context_tokens,
                # A reply without a limit of its own gets what the prompt's budget leaves: one that goes round
                # in circles would hold up everybody.
                reply_tokens=context_tokens - token_budget(context_tokens),
                cores=_cores(),
                parent_pid=os.getpid(),
                sampling=self._sampling,
            )
        )


async def _watched(
    process: ModelProcess, reply: AsyncGenerator[Sequence[Delta], None]
) -> AsyncGenerator[Sequence[Delta], None]:
    """The reply; where the process ends before the reply does, `ModelUnavailable`."""
    died = ModelUnavailable("the local model's process ended during a reply")
    finished = False
    try:
        async with contextlib.aclosing(reply):
            async for batch in reply:
                # Asking again is for servers that are busy; one that is gone is started by the next turn.
                if isinstance(batch[-1], Retrying) and await process.gone():
                    raise died
                finished = finished or isinstance(batch[-1], Finish)
                yield batch
    except ModelError as exc:
        if exc is not died and await process.gone():
            raise died from exc
        raise
    if not finished and await process.gone():
        raise died


def _loaded(loading: asyncio.Task[ModelProcess] | None) -> ModelProcess | None:
    """The process that `loading` came to, running or not."""
    if loading is None or not loading.done() or loading.cancelled() or loading.exception():
        return None
    return loading.result()


def _tell(loading: asyncio.Task[ModelProcess]) -> None:
    if not loading.cancelled() and (exc := loading.exception()):
        log.warning("%s", exc)


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
