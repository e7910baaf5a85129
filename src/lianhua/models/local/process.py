"""The model's process as its parent sees it: started, waited for, ended. `child` is the other end."""

import asyncio
import contextlib
import importlib.util
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Sequence
from typing import Self

import msgspec

from lianhua.errors import ModelUnavailable
from lianhua.models.local.child import Answer, Failed, Order, Ready

# A cold 1.1 GB file from a slow disk (20 MB/s) takes a minute; a larger one of the user's own takes longer.
LOAD_TIMEOUT_S = 300.0
# A process that is told to leave has nothing to save.
LEAVE_TIMEOUT_S = 2.0
# A dying process drops its connections a moment before the system says that it is gone.
GONE_TIMEOUT_S = 1.0
LOG_LINES = 40
# What of the library's log says why a model was not loaded (llama.cpp writes both).
TELLING = ("error loading model: ", "failed to allocate", "gguf_init")


def missing_runtime() -> str | None:
    """One line that says what keeps local models from running here; None where nothing is known to."""
    if importlib.util.find_spec("xllamacpp") is None:
        return "xllamacpp is not installed: pip install 'lianhua[local]'"
    return None


class ModelProcess:
    """A server of one model that is up: its `url` has no path, and it answers only to `api_key`."""

    def __init__(self, process: Process, url: str, api_key: str, log: asyncio.Task[None]) -> None:
        self._process = process
        self._log = log
        self.url = url
        self.api_key = api_key

    @classmethod
    async def start(cls, order: Order) -> Self:
        """Start the process and wait until the model is loaded; cancelling ends it.

        Raises `ModelUnavailable` with one line that says why there is none.
        """
        if missing := missing_runtime():
            raise ModelUnavailable(missing)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lianhua.models.local.child"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env={**os.environ, "GGML_NO_BACKTRACE": "1"},  # else a crash calls a debugger
            start_new_session=True,  # a terminal's Ctrl-C is for the parent to judge
        )
        lines: deque[bytes] = deque(maxlen=LOG_LINES)
        log = asyncio.create_task(_keep(process, lines), name=f"local-model-log-{process.pid}")
        started = False
        try:
            async with asyncio.timeout(LOAD_TIMEOUT_S):
                answer = await _ask(process, order)
            started = isinstance(answer, Ready)
        except TimeoutError as exc:
            raise ModelUnavailable(f"the local model was not loaded after {LOAD_TIMEOUT_S:.0f} s") from exc
        finally:
            if not started:
                await _end(process, log)
        if isinstance(answer, Ready):
            return cls(process, answer.url, order.api_key, log)
        raise ModelUnavailable(why_not_loaded(answer, process.returncode, lines))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    async def gone(self) -> bool:
        """Whether the process has ended, or does so within a moment."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), GONE_TIMEOUT_S)
        return not self.running

    async def stop(self) -> None:
        """End the process and wait until it is gone."""
        await _end(self._process, self._log)


async def _ask(process: Process, order: Order) -> Answer | None:
    """The child's answer; None where it died without one."""
    assert process.stdin is not None and process.stdout is not None  # noqa: S101  both are pipes
    with contextlib.suppress(ConnectionError):
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        await process.stdin.drain()
    line = await process.stdout.readline()
    if not line:
        await process.wait()
        return None
    answer: Answer = msgspec.json.decode(line, type=Answer)
    return answer


async def _keep(process: Process, lines: deque[bytes]) -> None:
    assert process.stderr is not None  # noqa: S101  a pipe
    # In reads, not lines: a line may be longer than the reader's limit.
    rest = b""
    while read := await process.stderr.read(4096):
        *whole, rest = (rest + read)[-65_536:].split(b"\n")
        lines.extend(whole)


async def _end(process: Process, log: asyncio.Task[None]) -> None:
    assert process.stdin is not None  # noqa: S101  a pipe
    process.stdin.close()
    try:
        async with asyncio.timeout(LEAVE_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            process.kill()
    await process.wait()
    await log


def why_not_loaded(answer: Failed | None, status: int | None, lines: Sequence[bytes]) -> str:
    """One line for people, from what the child said, its exit status and the end of its log."""
    texts = [line.decode("utf-8", "replace") for line in lines]
    causes = [text for text in texts if any(telling in text for telling in TELLING)]
    cause = causes[-1].partition(TELLING[0])[2] or causes[-1] if causes else ""
    if answer is not None:
        return f"the local model cannot be loaded: {cause or answer.reason}"
    if status == -signal.SIGILL:
        return "this processor lacks instructions that the local model's runtime needs (AVX2 on x86)"
    if status is not None and status < 0:
        hint = " (is there enough memory?)" if status == -signal.SIGKILL else ""
        return f"the local model's process was ended by signal {-status} while loading{hint}"
    return f"the local model's process ended with status {status} while loading"
