"""The child process of `local`: xllamacpp's own OpenAI-compatible server on loopback, and nothing else.

The first line of stdin is the order, one line on stdout the answer; both are JSON. The key comes this way
because other users of the machine can read a command line. When stdin ends, the parent is gone and so is this
process.
"""

import ctypes
import os
import signal
import sys
import threading
from typing import Any

import msgspec
from msgspec import Struct

PR_SET_PDEATHSIG = 1  # linux/prctl.h


# Shorter runs are names and phrases that a good answer repeats.
DRY_ALLOWED_TOKENS = 8


class Sampling(Struct, frozen=True):
    """How the next token is drawn where a turn does not say."""

    temperature: float
    top_p: float
    top_k: int
    dry_multiplier: float


class Order(Struct, frozen=True):
    """What to serve. `sampling` None leaves it to the model file, which may name its own."""

    file: str
    alias: str
    api_key: str
    context_tokens: int
    reply_tokens: int
    cores: int
    parent_pid: int
    sampling: Sampling | None = None


class Ready(Struct, frozen=True, tag=True):
    """The server answers at `url`, such as http://127.0.0.1:40123."""

    url: str


class Failed(Struct, frozen=True, tag=True):
    """One line that says why there is no server."""

    reason: str


Answer = Ready | Failed


def main() -> None:
    # Ctrl-C and a service manager's SIGTERM go to every process at once: the parent still lets running
    # replies end, so this one leaves only with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the library prints to stdout too; the answer must stand alone there
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    _die_with(order.parent_pid)
    watch = threading.Thread(target=_wait_for_the_parent, name="parent-watch", daemon=True)
    watch.start()

    server, answer = _serve(order)
    if server is not None:
        # From here on the library's log could only tell about prompts and replies.
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
    answers.write(msgspec.json.encode(answer) + b"\n")
    answers.close()
    if server is None:
        os._exit(1)
    watch.join()


def _serve(order: Order) -> tuple[Any, Answer]:
    try:
        import xllamacpp  # noqa: PLC0415  where it is missing or broken, the parent is told
    except ImportError as exc:
        return None, Failed(f"xllamacpp cannot be loaded ({exc})")
    try:
        server = xllamacpp.Server(_parameters(xllamacpp, order))
    except Exception as exc:  # whatever it is, the parent is told
        return None, Failed(str(exc) or type(exc).__name__)
    return server, Ready(server.listening_address)


def _parameters(xllamacpp: Any, order: Order) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = order.file
    params.model_alias = {order.alias}
    params.n_ctx = order.context_tokens  # divided by n_parallel
    params.n_parallel = 1
    params.n_predict = order.reply_tokens
    # One core stays free for everything else: on two busy cores two threads wait for each other at every token
    # (0.9 to 11 tokens a second, one thread keeps 7). A prompt is worth all of them, it is over sooner.
    params.cpuparams.n_threads = max(1, order.cores - 1)
    params.cpuparams_batch.n_threads = order.cores
    # A trial load that spreads a model over graphics cards doubles the time; only Apple's wheel can use one.
    params.fit_params = sys.platform == "darwin"
    params.cache_ram_mib = 256  # its own default is 8192: more than the machine may have
    if order.sampling is not None:
        params.sampling.temp = order.sampling.temperature
        params.sampling.top_p = order.sampling.top_p
        params.sampling.top_k = order.sampling.top_k
        params.sampling.dry_multiplier = order.sampling.dry_multiplier
        params.sampling.dry_allowed_length = DRY_ALLOWED_TOKENS

    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [order.api_key]
    params.cors_origins = ""  # its own default is *
    params.cors_credentials = False
    params.endpoint_slots = False  # would show prompts
    params.endpoint_props = False
    params.ui = False
    params.offline = True
    return params


def _die_with(parent_pid: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before we asked
        os._exit(1)


def _wait_for_the_parent() -> None:
    while sys.stdin.buffer.read(1024):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
