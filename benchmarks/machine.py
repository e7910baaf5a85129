"""Processes on this machine: start them on a core, read what they have used, end them by their id."""

import os
import select
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final

HERE: Final = Path(__file__).parent
CORES: Final = sorted(os.sched_getaffinity(0))
READY_S: Final = 30.0
END_S: Final = 10.0


def compiled(name: str, folder: Path) -> Path:
    """The C program `name.c` as a binary in `folder`."""
    binary = folder / name
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-O2", "-Wall", "-o", binary, HERE / f"{name}.c"], check=True)
    return binary


def free_port() -> int:
    """A port of loopback that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_s(pid: int) -> float:
    """Seconds of CPU that all threads of a process have used so far, to the nanosecond (proc(5), schedstat)."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def memory_bytes(pid: int) -> int:
    """What a process has in memory that no other one shares (proc(5), smaps_rollup)."""
    fields = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:] if ":" in line
    )
    return sum(int(fields[name].split()[0]) * 1024 for name in ("Private_Clean", "Private_Dirty", "Private_Hugetlb"))


def resident_bytes(pid: int) -> int:
    """What a process has in memory, shared pages included."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


_pinned = True


@contextmanager
def anywhere() -> Iterator[None]:
    """Programs that are started in the block run on any core: between two idle ones a message takes 0.1 ms longer."""
    global _pinned  # noqa: PLW0603  one benchmark at a time
    _pinned = False
    try:
        yield
    finally:
        _pinned = True


class Process:
    """A program until the block ends. With `core` it runs there and nowhere else."""

    def __init__(
        self,
        words: Sequence[str | Path],
        *,
        core: int | None = None,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        log: Path | None = None,
    ) -> None:
        pinned = ["taskset", "-c", str(core)] if core is not None and _pinned else []
        self._log = log.open("ab") if log else None
        self._child = subprocess.Popen(
            [*pinned, *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log or subprocess.DEVNULL,
            env=None if environment is None else dict(environment),
            cwd=folder,
        )

    @property
    def pid(self) -> int:
        """Of the program itself: taskset turns into it."""
        return self._child.pid

    def line(self, timeout_s: float = READY_S) -> str:
        """The next line that it prints. Raises `RuntimeError` when none comes."""
        out = self._child.stdout
        assert out is not None
        ready, _, _ = select.select([out], [], [], timeout_s)
        text = out.readline().decode() if ready else ""
        if not text:
            raise RuntimeError(f"{self._child.args!r} says nothing")
        return text.strip()

    def tell(self, text: str) -> None:
        """Sends it a line."""
        assert self._child.stdin is not None
        self._child.stdin.write(f"{text}\n".encode())
        self._child.stdin.flush()

    def end(self) -> None:
        """Ends it in order, and where that does not help for good."""
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(END_S)
            except subprocess.TimeoutExpired:
                self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout, self._log):
            if pipe:
                pipe.close()

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()


def wait_for_port(port: int) -> None:
    """Returns when somebody listens on the port. Raises `RuntimeError`."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nobody listens on {port}")
