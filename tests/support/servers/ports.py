"""Free TCP ports of 127.0.0.1 that stay free while their server is away."""

import os
import random
import socket
import sys
from collections import deque
from typing import Final

# Not what binding to port 0 gives: those ports are also the source ports of outgoing connections (32768 and up on
# Linux), so that somebody could hold a killed server's port, or a client that tries again reach itself.
LOWEST: Final = 11_000
HIGHEST: Final = 21_999
BUS_OFFSET: Final = 10_000  # a cluster node listens there as well (redis.conf, cluster-port)
TRIES: Final = 200


# Of tests that run side by side each takes its own: what is free for one of them stays free until it is used.
SHARE = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
SHARES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


# What this process has given out lately. Their names are taken on the whole machine, for test runs beside this one.
REMEMBERED: Final = 200
_given: deque[int] = deque()  # file descriptors: what is open at the end is no leak


def free_port() -> int:
    """A port on which, and on whose cluster bus port, nobody listens right now. No other test run has it."""
    for _ in range(TRIES):
        port = random.randrange(LOWEST + SHARE, HIGHEST + 1, SHARES)
        if _is_free(port) and _is_free(port + BUS_OFFSET) and _take(port):
            return port
    raise RuntimeError(f"no free port between {LOWEST} and {HIGHEST}")


def _take(port: int) -> bool:
    if sys.platform != "linux":
        return True
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0port {port} of the tests of lianhua")  # in no file system: gone with its process (unix(7))
    except OSError:
        name.close()
        return False
    _given.append(name.detach())
    if len(_given) > REMEMBERED:
        os.close(_given.popleft())
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
            candidate.listen()  # a bind alone succeeds beside another that does not listen yet
        except OSError:
            return False
        return True
