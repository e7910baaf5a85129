"""The command: `serve`, `doctor`, `pull`, `user`, `backup`, `restore`, `audit`. Exit codes: 0 fine, 2 wrong settings
(one line says which), 1 anything else.
"""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from urllib.parse import quote

import msgspec

import lianhua
from lianhua.config.logs import log_to_stderr
from lianhua.config.readers import is_loopback
from lianhua.config.settings import Settings, load_settings
from lianhua.errors import LianhuaError, WrongSettings
from lianhua.models.discover import FoundModel
from lianhua.models.download.package_index import PackageIndex
from lianhua.models.download.pull import Progress, pull
from lianhua.models.download.reason import NotPulled
from lianhua.models.http.proxies import proxy_variables
from lianhua.server.backup import back_up, follow_audit, restore
from lianhua.server.control import SupervisorLink
from lianhua.server.doctor import examine
from lianhua.server.metrics_port import metrics_listener
from lianhua.server.sockets import listen
from lianhua.server.supervisor import Supervisor, WorkerRefused
from lianhua.server.users import add_user_command, run_user_command

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command and exits the process."""
    arguments = _parser().parse_args(sys.argv[1:] if argv is None else argv)
    _open_closed_streams()
    try:
        settings = load_settings(_with_flags(arguments))
        log_to_stderr(settings.log_level, settings.log_format)
        code = arguments.run(settings, arguments)
    except WorkerRefused as exc:
        code = exc.exit_code
    except WrongSettings as exc:
        print(f"lianhua: {exc}", file=sys.stderr)
        code = 2
    except LianhuaError as exc:
        print(f"lianhua: {exc.code}: {exc}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _open_closed_streams() -> None:
    """Where whoever started us closed a standard stream, the next file or socket would get its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lianhua", description="A chat server for talking with language models over many turns."
    )
    parser.add_argument("--version", action="version", version=f"lianhua {lianhua.__version__}")
    parser.set_defaults(run=_serve, host=None, port=None, workers=None, pull=False)
    commands = parser.add_subparsers(
        title="commands", metavar="serve | doctor | pull | user | backup | restore | audit"
    )

    serve = commands.add_parser("serve", help="run the server (the default)")
    serve.add_argument("--host", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", help="port to listen on (8000; 0 picks one)")
    serve.add_argument("--workers", help="processes (1)")
    serve.add_argument("--pull", action="store_true", help="fetch the small model meanwhile, where no other is set up")
    serve.set_defaults(run=_serve)

    doctor = commands.add_parser("doctor", help="check model and store and say what to mend")
    doctor.set_defaults(run=_doctor)

    backup = commands.add_parser("backup", help="write all of the store into a file, also while a server uses it")
    backup.add_argument("file", type=Path)
    backup.set_defaults(run=_back_up)

    restored = commands.add_parser("restore", help="bring a backup into an empty store")
    restored.add_argument("file", type=Path)
    restored.set_defaults(run=_restore)

    audit = commands.add_parser("audit", help="who did what: a line of JSON for each event")
    audit.add_argument("--follow", action="store_true", help="go on with the events to come")
    audit.set_defaults(run=_audit)

    add_user_command(commands, run_user_command)

    worker = commands.add_parser("worker")
    worker.add_argument("listener", type=int)
    worker.add_argument("line", type=int)
    worker.add_argument("store", nargs="?")
    worker.add_argument("--found")
    worker.set_defaults(run=_work)

    fetch = commands.add_parser("pull", help="fetch the small model that runs on this computer (1.1 GB, once)")
    fetch.add_argument("--from", dest="named", type=Path, help="a copy of the file that is already here")
    fetch.set_defaults(run=_pull)
    return parser


def _with_flags(arguments: argparse.Namespace) -> dict[str, str]:
    """The environment with the command line over it, so that both are checked by the same table."""
    flags = {
        "LIANHUA_HOST": arguments.host,
        "LIANHUA_PORT": arguments.port,
        "LIANHUA_WORKERS": arguments.workers,
    }
    return {**os.environ, **{name: value for name, value in flags.items() if value is not None}}


# serve


def _serve(settings: Settings, arguments: argparse.Namespace) -> int:
    if settings.auth == "open" and not is_loopback(settings.host) and not settings.allow_open:
        raise WrongSettings(
            f"LIANHUA_HOST: {settings.host} can be reached by others and nobody would have to log in; "
            "set LIANHUA_ALLOW_OPEN=1 if that is meant"
        )
    signal.signal(signal.SIGTERM, _end_while_starting)
    listener, metrics = listen(settings), metrics_listener(settings)
    if settings.workers > 1:
        if arguments.pull:
            logger.warning("--pull is left out with several workers: run `lianhua pull` once, then serve")
        with listener:
            asyncio.run(Supervisor(settings, listener, metrics).run())
        return 0
    from lianhua.server.serve import serve  # noqa: PLC0415  the supervisor needs none of it, and 30 MB less without

    _run(serve(settings, listener, pull=arguments.pull, metrics=metrics))
    return 0


def _end_while_starting(_signal: int, _frame: FrameType | None) -> None:
    """Until a server listens for signals itself. Without a handler the first process of a container ignores SIGTERM
    (pid_namespaces(7)), and others leave without closing the store.
    """
    raise SystemExit(128 + signal.SIGTERM)


def _work(settings: Settings, arguments: argparse.Namespace) -> int:
    """One of several workers: started by the supervisor, not by people."""
    from lianhua.server.serve import serve  # noqa: PLC0415

    if arguments.store:
        settings = replace(settings, redis_url=f"unix://{quote(arguments.store)}")
    with socket.socket(fileno=arguments.line) as end:
        listener = socket.socket(fileno=arguments.listener)
        found = msgspec.json.decode(arguments.found, type=FoundModel) if arguments.found else None
        _run(serve(settings, listener, pull=False, link=SupervisorLink(end), found=found))
    return 0


def _run(server: Coroutine[None, None, None]) -> None:
    """With uvloop where there is one: half the CPU a token, most of it in reading from and writing to sockets."""
    try:
        import uvloop  # noqa: PLC0415  only a server needs it
    except ImportError:  # no wheel for this system
        asyncio.run(server)
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server)


# doctor


def _doctor(settings: Settings, arguments: argparse.Namespace) -> int:
    findings = asyncio.run(examine(settings))
    for finding in findings:
        print(f"{'ok  ' if finding.fine else 'MEND'}  {finding.text}")
    return 0 if all(finding.fine for finding in findings) else 1


# backup, restore, audit


def _back_up(settings: Settings, arguments: argparse.Namespace) -> int:
    end = asyncio.run(back_up(settings, arguments.file))
    print(f"{arguments.file}: {end.conversations} conversations, {end.keys} keys, sha256 {end.sha256}")
    return 0


def _restore(settings: Settings, arguments: argparse.Namespace) -> int:
    end = asyncio.run(restore(settings, arguments.file))
    print(f"restored and read back: {end.conversations} conversations, {end.keys} keys")
    return 0


def _audit(settings: Settings, arguments: argparse.Namespace) -> int:
    async def show() -> None:
        async for line in follow_audit(settings, follow=arguments.follow):
            print(line, flush=True)

    try:
        asyncio.run(show())
    except BrokenPipeError:  # whoever read it has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


# pull


def _pull(settings: Settings, arguments: argparse.Namespace) -> int:
    def show(progress: Progress) -> None:
        print(
            f"\r{progress.received_bytes / 1e6:8.0f} of {progress.total_bytes / 1e6:.0f} MB",
            end="",
            flush=True,
        )

    try:
        index = PackageIndex(environ=proxy_variables(settings.environ))
        file = asyncio.run(pull(settings.data_dir, show, named=arguments.named, index=index))
    except NotPulled as exc:
        print(f"\nlianhua: {exc.reason.en}", file=sys.stderr)
        return 1
    print(f"\n{file}")
    return 0
