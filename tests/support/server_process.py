"""A real `lianhua serve` in its own process, for tests that speak HTTP to it."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.waiting import HANGS_S, wait_until

STOP_TIMEOUT_S = 120.0


class ServerProcess:
    """Starts the server on a free port of loopback; `log` holds what it wrote. Ended by process id, at the latest by
    `kill`.
    """

    module = "lianhua"

    def __init__(self, data_dir: Path, port: int = 0, **environment: str) -> None:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
        self._read = ""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", self.module, "serve", "--port", str(port)],
            env={
                **inherited,
                "LIANHUA_DATA_DIR": str(data_dir),
                "LIANHUA_DISCOVERY": "0",
                "LIANHUA_TITLES": "message",  # what counts a model's calls counts turns
                "PYTHONUNBUFFERED": "1",
                **environment,
            },
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=data_dir,  # no .env of a checkout gets in
        )
        self.url = self._wait_for_url()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        """All that the server has written so far. Read without a seek: the child writes at the same offset."""
        if not self._log.closed:
            file = self._log.fileno()
            self._read = os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")
        return self._read

    def _wait_for_url(self) -> str:
        def started() -> re.Match[str] | None:
            found = re.search(r"Lianhua 连话: (http://\S+)", self.log)
            if not found and self._process.poll() is not None:
                raise RuntimeError(f"the server ended with {self._process.returncode}:\n{self.log}")
            return found

        try:
            return wait_until(started)[1]
        except AssertionError:
            self.kill()
            raise RuntimeError(f"the server did not start within {HANGS_S} s:\n{self.log}") from None

    def stop(self, sig: signal.Signals = signal.SIGINT) -> int:
        """Asks the server to end and waits for it; its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(sig)
        return self.wait()

    def wait(self) -> int:
        """Waits for the server to end; its exit code."""
        return self._process.wait(STOP_TIMEOUT_S)

    def kill(self) -> None:
        """kill -9, and waits until the process is gone."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        _ = self.log  # the last words stay readable
        self._log.close()
