"""The command: `serve`, `doctor`, `pull`. Exit codes: 0 fine, 2 wrong settings (one line says which), 1 anything
else.
"""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn

import lianhua
from lianhua.api.app import create_app
from lianhua.api.stream import SEND_TIMEOUT_S, OpenStreams
from lianhua.doctor import examine
from lianhua.errors import LianhuaError, WrongSettings
from lianhua.models.pull import Progress, pull
from lianhua.models.pull_reason import NotPulled
from lianhua.settings import Settings, is_loopback, load_settings
from lianhua.wiring import Chat, describe, open_chat

# Orchestrators kill after 30 s. The rest is for the ends of turns (2 s), last bytes (1 s) and the store (2 s at worst).
TERM_GRACE_S: Final = 25.0
BACKLOG: Final = 2_048
LAST_BYTES_S: Final = 1  # for sockets that still take their last bytes when everything else has ended


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command and exits the process."""
    arguments = _parser().parse_args(sys.argv[1:] if argv is None else argv)
    try:
        settings = load_settings(_with_flags(arguments))
        _log_to_stderr(settings.log_level)
        code = arguments.run(settings, arguments)
    except WrongSettings as exc:
        print(f"lianhua: {exc}", file=sys.stderr)
        code = 2
    except LianhuaError as exc:
        print(f"lianhua: {exc.code}: {exc}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lianhua", description="A chat server for talking with language models over many turns."
    )
    parser.add_argument("--version", action="version", version=f"lianhua {lianhua.__version__}")
    parser.set_defaults(run=_serve, host=None, port=None, workers=None, pull=False)
    commands = parser.add_subparsers(title="commands")

    serve = commands.add_parser("serve", help="run the server (the default)")
    serve.add_argument("--host", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", help="port to listen on (8000; 0 picks one)")
    serve.add_argument("--workers", help="processes (1)")
    serve.add_argument("--pull", action="store_true", help="fetch the small model meanwhile, where no other is set up")
    serve.set_defaults(run=_serve)

    doctor = commands.add_parser("doctor", help="check model and store and say what to mend")
    doctor.set_defaults(run=_doctor)

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


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


# serve


def _serve(settings: Settings, arguments: argparse.Namespace) -> int:
    if settings.auth == "open" and not is_loopback(settings.host) and not settings.allow_open:
        raise WrongSettings(
            f"LIANHUA_HOST: {settings.host} can be reached by others and nobody would have to log in; "
            "set LIANHUA_ALLOW_OPEN=1 if that is meant"
        )
    asyncio.run(_serve_until_told(settings, pull=arguments.pull))
    return 0


async def _serve_until_told(settings: Settings, *, pull: bool) -> None:
    listener = _listen(settings)  # before the store: a port that is taken is found out at once
    with listener:
        async with open_chat(settings, pull=pull) as chat:
            streams = OpenStreams()
            config = uvicorn.Config(
                create_app(chat, streams, settings),
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,  # it would write the query, and with it the message; ours is in `api.guard`
                server_header=False,
                backlog=BACKLOG,
                timeout_graceful_shutdown=LAST_BYTES_S,
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=settings.trusted_proxies or None,
            )
            await _Server(config, chat, streams, _address(settings, listener)).serve(sockets=[listener])


def _listen(settings: Settings) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host.strip("[]"), settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; each connection takes it over
            # A viewer whose socket takes nothing is gone, and nothing else could close a full socket (tcp(7)).
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SEND_TIMEOUT_S * 1000))
        listener.bind(address)
    except OSError as exc:
        raise WrongSettings(
            f"LIANHUA_HOST, LIANHUA_PORT: cannot listen on {settings.host}:{settings.port} ({exc.strerror})"
        ) from exc
    return listener


def _address(settings: Settings, listener: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listener.getsockname()[1]}"


class _Server(uvicorn.Server):
    """Ends the streams before the framework waits for them, and running turns in their time.

    The first SIGTERM gives turns `TERM_GRACE_S`; Ctrl-C and a second signal end them at once, their text kept.
    """

    def __init__(self, config: uvicorn.Config, chat: Chat, streams: OpenStreams, address: str) -> None:
        super().__init__(config)
        self._chat = chat
        self._streams = streams
        self._public_address = address
        self._hurry = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        # On stdout, so that a script that starts the server with port 0 can read where it is.
        model = self._chat.service.catalog.default.info
        print(f"Lianhua 连话: {self._public_address}  ({describe(model)})", flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGINT or self.should_exit:
            self._loop.call_soon_threadsafe(self._hurry.set)  # a signal handler by itself does not wake the loop
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._chat.service.drain()
        await asyncio.gather(self._streams.close(), self._chat.service.close(TERM_GRACE_S, self._hurry))
        await self._streams.close()  # of those who came back meanwhile
        await super().shutdown(sockets=sockets)


# doctor


def _doctor(settings: Settings, arguments: argparse.Namespace) -> int:
    findings = asyncio.run(examine(settings))
    for finding in findings:
        print(f"{'ok  ' if finding.fine else 'MEND'}  {finding.text}")
    return 0 if all(finding.fine for finding in findings) else 1


# pull


def _pull(settings: Settings, arguments: argparse.Namespace) -> int:
    def show(progress: Progress) -> None:
        print(
            f"\r{progress.received_bytes / 1e6:8.0f} of {progress.total_bytes / 1e6:.0f} MB",
            end="",
            flush=True,
        )

    try:
        file = asyncio.run(pull(settings.data_dir, show, named=arguments.named))
    except NotPulled as exc:
        print(f"\nlianhua: {exc.reason.en}", file=sys.stderr)
        return 1
    print(f"\n{file}")
    return 0
