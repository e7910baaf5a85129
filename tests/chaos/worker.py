"""One `lianhua serve` in a process of its own, on a port that it keeps over restarts."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.chaos.users import Door
from tests.support.servers.ports import free_port

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
_INHERITED = ("PATH", "HOME", "LANG", "PYTHONPATH")


class Worker:
    """Ended by process id. `log_file` gathers what all its processes wrote."""

    def __init__(self, name: str, folder: Path, **environment: str) -> None:
        self.name = name
        self.data_dir = folder / name
        self.data_dir.mkdir(parents=True)
        self.log_file = self.data_dir / "log"
        self.port = free_port()
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def door(self) -> Door:
        return Door(self.name, f"http://127.0.0.1:{self.port}")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        return self.log_file.read_text("utf-8", "replace") if self.log_file.exists() else ""

    async def start(self) -> None:
        """Returns when it takes requests. Raises `RuntimeError` with its log when it does not come up."""
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        before = len(self.log)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lianhua", "serve", "--port", str(self.port)],
                env={
                    **inherited,
                    "LIANHUA_DATA_DIR": str(self.data_dir),
                    "LIANHUA_DISCOVERY": "0",
                    "LIANHUA_LOG_LEVEL": "warning",
                    "PYTHONUNBUFFERED": "1",
                    **self._environment,
                },
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.data_dir,  # no .env of a checkout gets in
            )
        async with asyncio.timeout(START_TIMEOUT_S):
            while not re.search(r"Lianhua 连话: http://\S+", self.log[before:]):
                if not self.alive:
                    raise RuntimeError(f"{self.name} ended with {self._process.returncode}:\n{self.log[before:]}")
                await asyncio.sleep(0.02)

    async def freeze(self) -> None:
        """SIGSTOP; returns when the process stands still."""
        os.kill(self.pid, signal.SIGSTOP)
        async with asyncio.timeout(STOP_TIMEOUT_S):
            while not self.frozen:
                await asyncio.sleep(0.001)

    @property
    def frozen(self) -> bool:
        return state_of(self.pid) == "T"

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    async def kill(self) -> bool:
        """kill -9; whether it was a living process that this ended."""
        assert self._process is not None
        was_alive = self.alive
        os.kill(self.pid, signal.SIGKILL)
        return await self._ended() == -signal.SIGKILL and was_alive and state_of(self.pid) is None

    async def stop(self) -> int | None:
        """Asks it to end in order; its exit code."""
        if self.alive:
            os.kill(self.pid, signal.SIGINT)
        return await self._ended()

    async def _ended(self) -> int | None:
        assert self._process is not None
        async with asyncio.timeout(STOP_TIMEOUT_S):
            while self._process.poll() is None:
                await asyncio.sleep(0.005)
        return self._process.returncode

    def clear(self) -> None:
        """Leaves nothing running, whatever happened before."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def state_of(pid: int) -> str | None:
    """The process's state as /proc tells it (proc(5)), None when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None
