"""A `lianhua serve` with any number of workers, its stdout apart from its log, and all processes that belong to it.

What belongs to it is told by the data directory in a process's environment (proc(5)): workers and the embedded store
have it from their supervisor, also when that is gone.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from tests.chaos.worker import state_of
from tests.support.servers.ports import free_port
from tests.support.stillness import Stopwatch, Took
from tests.support.waiting import until, wait_until

CLEAR_TIMEOUT_S: Final = 60.0
POLL_S: Final = 0.02
LAST_WORDS_CHARS: Final = 3_000
_INHERITED: Final = ("PATH", "HOME", "LANG", "PYTHONPATH")


class ServingProcess:
    """Keeps its port over restarts. `pid` is the supervisor's where there are several workers."""

    module = "lianhua"

    def __init__(self, data_dir: Path, *arguments: str, **environment: str) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = arguments
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def out(self) -> str:
        """What the latest start has printed on stdout."""
        return self._out_file.read_text("utf-8")

    @property
    def log(self) -> str:
        """What all starts together have written on stderr."""
        return self._log_file.read_text("utf-8", "replace")

    @property
    def workers(self) -> list[int]:
        """The process ids of the workers that live, the oldest first."""
        return [pid for pid in processes_of(self.data_dir) if b"worker" in _words(pid)]

    async def start(self) -> Self:
        """Returns when it takes requests."""
        self.launch()

        def is_ready() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, f"it ended with {self._process.returncode}: {self._last_words()}"
            return self.out.endswith("\n")

        await until(is_ready)
        return self

    def launch(self) -> None:
        """Starts it and does not wait; the process before it has ended."""
        if self._process:
            self._process.wait(CLEAR_TIMEOUT_S)
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        with self._out_file.open("wb") as out, self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module, "serve", "--port", str(self.port), *self._arguments],
                env={
                    **inherited,
                    "LIANHUA_DATA_DIR": str(self.data_dir),
                    "LIANHUA_DISCOVERY": "0",
                    "PYTHONUNBUFFERED": "1",
                    **self._environment,
                },
                stdout=out,
                stderr=log,
                cwd=self.data_dir,  # no .env of a checkout gets in
            )

    def tell(self, sig: signal.Signals) -> None:
        os.kill(self.pid, sig)

    async def ended(self, within_s: float) -> int:
        """Waits for the end of the process that was started; its exit code."""
        await self.took_to_end(within_s)
        assert self._process is not None
        return self._process.wait()

    async def took_to_end(self, within_s: float) -> Took:
        """The same; how long that was."""
        assert self._process is not None
        watch = Stopwatch()
        while self._process.poll() is None:
            assert watch.within(within_s), f"it runs, {watch.took()}: {self._last_words()}"
            await asyncio.sleep(POLL_S)
        return watch.took()

    async def nothing_is_left(self, within_s: float) -> None:
        """Waits until no process of it lives: no supervisor, no worker, no store."""
        watch = Stopwatch()
        while left := processes_of(self.data_dir):
            assert within_s and watch.within(within_s), f"left behind: {[_words(pid) for pid in left]}"
            await asyncio.sleep(POLL_S)

    def met_no_bug(self) -> None:
        """Everything that its processes met, they had been made for."""
        _, bug, rest = self.log.partition("Traceback")
        assert not bug, rest[:LAST_WORDS_CHARS]

    def clear(self) -> None:
        """Kills whatever is left, each process by its id. The supervisor first, which would start others."""
        if self._process:
            self._process.kill()
            self._process.wait()
        wait_until(self._all_killed)

    def _all_killed(self) -> bool:
        left = processes_of(self.data_dir)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    @property
    def _out_file(self) -> Path:
        return self.data_dir / "stdout"

    @property
    def _log_file(self) -> Path:
        return self.data_dir / "stderr"

    def _last_words(self) -> str:
        return self.log[-LAST_WORDS_CHARS:]


def processes_of(data_dir: Path) -> list[int]:
    """Every process that works on the data directory, the oldest first; one that only waits to be collected does not
    count.
    """
    wanted = b"LIANHUA_DATA_DIR=" + os.fsencode(data_dir)
    found: list[tuple[int, int]] = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdecimal() and wanted in (folder / "environ").read_bytes().split(b"\0"):
                began = (folder / "stat").read_text().rpartition(")")[2].split()[19]
                found.append((int(began), int(folder.name)))
    return [pid for _, pid in sorted(found)]


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """These processes stand still (SIGSTOP) while the block runs."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        for pid in pids:
            wait_until(lambda pid=pid: state_of(pid) in ("T", "Z", None), every_s=0.001)  # type: ignore[misc]
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def alone(serving: ServingProcess, pid: int) -> Iterator[None]:
    """Only this worker runs while the block does, so whatever connects is connected to it and stays so."""
    with frozen(*(other for other in serving.workers if other != pid)):
        yield


def _words(pid: int) -> list[bytes]:
    """The command line; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return []
