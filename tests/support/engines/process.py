"""A browser's process and all that it starts, ended by their group."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

STARTED_WITHIN_S = 120.0
ENDED_WITHIN_S = 10.0


class ProcessGroup:
    """Runs `command` in a process group of its own; `log` holds what all of it wrote."""

    def __init__(self, command: list[str], folder: Path, **environment: str) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
        )

    @property
    def log(self) -> str:
        """All that was written so far. Read without a seek: the processes write at the same offset."""
        file = self._log.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")

    def wait_for(self, pattern: str) -> str:
        """The first group of `pattern` in the log."""
        deadline = time.monotonic() + STARTED_WITHIN_S
        while (found := re.search(pattern, self.log)) is None:
            assert self._process.poll() is None, f"ended with {self._process.returncode}:\n{self.log}"
            assert time.monotonic() < deadline, f"no {pattern!r} within {STARTED_WITHIN_S} s:\n{self.log}"
            time.sleep(0.05)
        return found[1]

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def end(self) -> None:
        """Asks it to end, and ends what is left of it."""
        self.signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDED_WITHIN_S)
        self.signal(signal.SIGKILL)
        self._process.wait()
        self._log.close()
