"""One server process: the application over open services, on a socket that is there already."""

import asyncio
import gc
import signal
import socket
from contextlib import AsyncExitStack
from types import FrameType
from typing import Final

import uvicorn

import lianhua
from lianhua.api.app import create_app
from lianhua.api.event_stream import OpenStreams
from lianhua.api.services import Services
from lianhua.config.settings import Settings, set_values
from lianhua.metrics import Snapshot, snapshot
from lianhua.models.choose import describe
from lianhua.models.discover import FoundModel
from lianhua.server.control import SupervisorLink
from lianhua.server.metrics_port import MetricsPort
from lianhua.server.protocol import KEEP_ALIVE_S, Protocol
from lianhua.server.sockets import address_of
from lianhua.wiring import open_services

# Orchestrators kill after 30 s. The rest is for the ends of turns (2 s), last bytes (1 s) and the store (2 s at worst).
TERM_GRACE_S: Final = 25.0
# Of the young, instead of 700: a collection of them takes about a millisecond. And how many of those make one of the
# older, how many of these one of all, which with 1,000 streams stops them for 30 ms.
OBJECTS_BETWEEN_COLLECTIONS: Final = (20_000, 20, 20)
LAST_BYTES_S: Final = 1  # for sockets that still take their last bytes when everything else has ended


async def serve(
    settings: Settings,
    listener: socket.socket,
    *,
    pull: bool,
    link: SupervisorLink | None = None,
    found: FoundModel | None = None,
    metrics: socket.socket | None = None,
) -> None:
    """Serves until a signal. With a `link` this is a worker among several: its supervisor owns the embedded store, and
    has looked for a model. `metrics` is where what was counted is said, where the settings name a port for it.
    """
    if link:
        await link.open()
    with listener:
        host = link.model_host if link else None
        erased = link.erased if link else None
        async with (
            AsyncExitStack() as stack,
            open_services(settings, pull=pull, erased=erased, found=found, model_host=host) as services,
        ):
            await _note_start(services, settings)
            streams = OpenStreams()
            if metrics:
                port = MetricsPort(metrics, _own_metrics, settings.metrics_token)
                await port.open()
                stack.push_async_callback(port.close)
            config = uvicorn.Config(
                create_app(services, streams, settings, link.scrape if link else None),
                http=Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,  # it would write the query, and with it the message; `api.middleware` has one
                server_header=False,
                timeout_graceful_shutdown=LAST_BYTES_S,
                timeout_keep_alive=int(KEEP_ALIVE_S),
                proxy_headers=False,  # `api.outside` reads them
            )
            await _Server(config, services, streams, address_of(settings, listener), link).serve(sockets=[listener])


async def _own_metrics() -> Snapshot:
    return snapshot()


async def _note_start(services: Services, settings: Settings) -> None:
    said = {"version": lianhua.__version__, "worker": services.lifecycle.worker}
    await services.audit.record("start", **said, **set_values(settings))


class _Server(uvicorn.Server):
    """Ends the streams before the framework waits for them, and running turns in their time.

    The first SIGTERM gives turns `TERM_GRACE_S`; Ctrl-C and a second signal end them at once, their text kept.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        services: Services,
        streams: OpenStreams,
        address: str,
        link: SupervisorLink | None,
    ) -> None:
        super().__init__(config)
        self._services = services
        self._streams = streams
        self._public_address = address
        self._link = link
        self._hurry = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        _spare_the_collector()
        model = describe(self._services.catalog.default)
        if self._link:
            self._link.ready(self._services.lifecycle.worker, model, self)
        else:
            # On stdout, so that a script that starts the server with port 0 can read where it is.
            print(f"Lianhua 连话: {self._public_address}  ({model})", flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # A worker may be asked twice, by whoever ends a whole group of processes and by its supervisor: only that one
        # hurries it.
        if not self._link and (sig == signal.SIGINT or self.should_exit):
            self._loop.call_soon_threadsafe(self._hurry.set)  # a signal handler by itself does not wake the loop
        self.should_exit = True

    def end(self, *, hurry: bool) -> None:
        """An order of the supervisor."""
        if hurry:
            self._hurry.set()
        self.should_exit = True

    async def worker_gone(self, worker: str) -> None:
        """Another worker has died; this one looks after its turns."""
        await self._services.lifecycle.worker_gone(worker)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._services.lifecycle.drain()
        if self._link and self._link.others_serve:
            for server in self.servers:  # the socket is shared: new connections are for the workers that stay
                server.close()
        await asyncio.gather(self._streams.close(), self._services.lifecycle.close(TERM_GRACE_S, self._hurry))
        await self._streams.close(for_good=True)  # of those who came back meanwhile
        await super().shutdown(sockets=sockets)
        if self._link:
            self._link.ending()


def _spare_the_collector() -> None:
    """What is there by now stays, and is not looked at again; what comes and goes with each event makes no cycles.

    10 % of the CPU a token at 500 replies, and pauses of 30 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*OBJECTS_BETWEEN_COLLECTIONS)
