"""One Redis or Valkey server as a process: started, stopped, killed, frozen, and started again on its files and port.

with RedisServer(tmp_path, config={"appendonly": "yes"}) as server:
    server.kill()
    server.start()
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from tests.support.servers.ports import free_port
from tests.support.servers.program import Flavour, binary, die_with_parent
from tests.support.waiting import HANGS_S, wait_until

HOST: Final = "127.0.0.1"
STOP_TIMEOUT_S: Final = 60.0
PROBE_TIMEOUT_S: Final = 2.0
POLL_S: Final = 0.02
PORT_TRIES: Final = 10
LOG_TAIL_CHARS: Final = 2000
EMPTY: Final = '""'  # as redis.conf writes it


class NotStarted(RuntimeError):
    """The server ended at once or did not answer; the message has the end of its log."""


class RedisServer:
    """A server on 127.0.0.1 with its files in `folder`; its port stays the same over restarts.

    `config` holds directives of redis.conf. Without any, nothing is written to disk. What the server itself writes into
    its configuration (CONFIG REWRITE, as Sentinel asks for) is kept over restarts. Leaving the block kills the process.
    """

    def __init__(
        self,
        folder: Path,
        *,
        flavour: Flavour = "valkey",
        port: int | None = None,
        config: Mapping[str, str] | None = None,
        sentinel: bool = False,
    ) -> None:
        self.folder = folder.resolve()
        self.flavour = flavour
        self.port = port or free_port()
        self._may_move = port is None  # until it has listened once
        self._config = dict(config or {})
        self._sentinel = sentinel
        self._process: subprocess.Popen[bytes] | None = None
        self._starts_at = 0  # in the log

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def __repr__(self) -> str:
        return f"<{self.flavour} {'sentinel' if self._sentinel else 'server'} on port {self.port}>"

    @property
    def url(self) -> str:
        password = self._config.get("requirepass", "")
        return f"redis://{f':{quote(password)}@' if password else ''}{HOST}:{self.port}/0"

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """The id of the process, also when it has ended. Raises `RuntimeError` before the first start."""
        if self._process is None:
            raise RuntimeError(f"{self} was never started")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there; a frozen one is."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """Everything it wrote since its first start."""
        return self._log_file.read_text(errors="replace") if self._log_file.exists() else ""

    def client(self, **options: Any) -> Redis:
        """A fresh client; the caller closes it."""
        return Redis(host=HOST, port=self.port, password=self._config.get("requirepass"), **options)

    def start(self, **directives: str) -> None:
        """Starts the process and waits until it answers PING. `directives` (`replicaof="127.0.0.1 7000"`) outdo the
        configuration. Raises `NotStarted` with the end of the log.
        """
        for tries_left in reversed(range(PORT_TRIES)):
            self.launch(**directives)
            try:
                self._wait_until_ready()
            except NotStarted as exc:
                if not (self._may_move and tries_left and _is_about_the_port(str(exc))):
                    raise
                self.port = free_port()
                self._config_file.unlink()
            else:
                self._may_move = False
                return

    def launch(self, **directives: str) -> None:
        """Starts the process and does not wait; ask `is_ready`."""
        if self.is_running:
            raise RuntimeError(f"{self} runs already")
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._config_file.exists():
            self._config_file.write_text(self._configuration())
        command = [str(binary(self.flavour)), str(self._config_file)]
        if self._sentinel:
            command.append("--sentinel")
        for name, value in directives.items():
            command += [f"--{name.replace('_', '-')}", *value.split()]
        self._starts_at = len(self.log)
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,  # a Ctrl-C is for the test, which ends its servers itself
                preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509  two system calls and no lock
            )

    def is_ready(self) -> bool:
        """Whether it answers. Raises `NotStarted` when it has ended."""
        if not self.is_running:
            raise NotStarted(f"{self} ended at once:\n{self._last_words()}")
        try:
            with BlockingRedis(
                host=HOST,
                port=self.port,
                password=self._config.get("requirepass"),
                socket_timeout=PROBE_TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),
            ) as redis:
                # PING alone could be answered by somebody else's server on this port.
                return bool(redis.ping()) and redis.info("server")["process_id"] == self.pid
        except (RedisError, OSError):
            return False

    def stop(self) -> int:
        """SIGTERM, and waits until the process is gone; its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """SIGKILL, and waits until the process is gone; its exit code, -9 where it was still there. May be repeated."""
        return self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: its port stays open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)
        if sys.platform == "linux":
            wait_until(lambda: _state(self.pid) in "TZ")  # stopped, or dead already

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    @property
    def _config_file(self) -> Path:
        return self.folder / "server.conf"

    @property
    def _log_file(self) -> Path:
        return self.folder / "server.log"

    def _configuration(self) -> str:
        directives = {"bind": HOST, "port": str(self.port), "dir": f'"{self.folder}"', "daemonize": "no"}
        if not self._sentinel:
            directives |= {"save": "", "appendonly": "no"}
        directives |= self._config
        return "".join(f"{name} {value or EMPTY}\n" for name, value in directives.items())

    def _wait_until_ready(self) -> None:
        try:
            wait_until(self.is_ready, every_s=POLL_S)
        except AssertionError:
            self.kill()
            raise NotStarted(f"{self} did not answer within {HANGS_S} s:\n{self._last_words()}") from None

    def _last_words(self) -> str:
        return self.log[self._starts_at :][-LOG_TAIL_CHARS:]

    def _end(self, sig: signal.Signals) -> int:
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(sig)
            self._process.send_signal(signal.SIGCONT)  # a frozen process takes no SIGTERM
        try:
            return self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise


def _is_about_the_port(message: str) -> bool:
    return "already in use" in message or "Failed listening" in message


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
