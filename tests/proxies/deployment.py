"""A server behind all four proxies, and clients that reach it through one of them."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver

from tests.proxies.programs import NAME, PROXIES, Proxy
from tests.support.client import Client
from tests.support.models.certificate import make_certificate
from tests.support.puppet_model import PuppetModel
from tests.support.server_process import ServerProcess
from tests.support.servers.ports import free_port

KEPT_PATH = "/kept"  # below which the server knows that it is, so that a proxy leaves it on
STRIPPED_PATH = "/chat"  # which the proxies take off
ROOT = Path(__file__).parents[2]


class Deployment:
    """The server at `port`, what its model says, and the proxies in front of it by their names."""

    def __init__(self, folder: Path, module: str) -> None:
        self.model = PuppetModel()
        self.port = free_port()
        self.proxies: dict[str, Proxy] = {}
        self.certificate, self.key = make_certificate(folder, f"DNS:{NAME}")
        self._folder = folder
        self._kind = type("Server", (ServerProcess,), {"module": module})
        self.server: ServerProcess | None = None

    def start_server(self) -> None:
        """Or starts it again, on the same port."""
        data_dir = self._folder / "data"
        data_dir.mkdir(exist_ok=True)
        self.server = self._kind(
            data_dir,
            self.port,
            PYTHONPATH=str(ROOT),
            OPENAI_API_KEY="key",
            OPENAI_BASE_URL=self.model.base_url,
            OPENAI_MODEL="puppet",
            LIANHUA_CONTEXT_TOKENS="100000",
            LIANHUA_DELTA_TIMEOUT_S="3600",  # a model that thinks for as long as the test wants
            LIANHUA_BASE_PATH=KEPT_PATH,
            LIANHUA_TRUSTED_PROXIES="127.0.0.1",
            # The name is the server's own; the origin is another one than the page's, which has to be let in by itself.
            LIANHUA_ALLOWED_ORIGINS=f"http://{NAME}:1",
        )

    def stop_server(self) -> None:
        if self.server:
            self.server.stop()
            self.server.kill()
            self.server = None

    def proxy(self, kind: type[Proxy], patience_s: float = 0) -> Proxy:
        name = f"{kind.name}-{patience_s:g}"
        return kind(self._folder / name, self.port, self.certificate, self.key, patience_s)


@contextmanager
def open_deployment(folder: Path, module: str = "lianhua") -> Iterator[Deployment]:
    with ExitStack() as stack:
        deployment = Deployment(folder, module)
        stack.enter_context(deployment.model)
        deployment.start_server()
        for kind in PROXIES:
            deployment.proxies[kind.name] = stack.enter_context(deployment.proxy(kind))
        try:
            yield deployment
        finally:
            deployment.model.forget()
            deployment.stop_server()


class _Here(AbstractResolver):
    """Every name is this machine's."""

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[Any]:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        pass


@asynccontextmanager
async def client_of(url: str, user: str | None) -> AsyncIterator[Client]:
    """A person at `url`, whose certificate is believed. HTTP/1.1."""
    connector = aiohttp.TCPConnector(limit=0, ssl=False, resolver=_Here())
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout, max_line_size=1 << 17
    ) as session:
        yield Client(session, url, user)


@asynccontextmanager
async def curl(proxy: Proxy, path: str, *options: str) -> AsyncIterator[asyncio.StreamReader]:
    """What an HTTP/2 client reads from `path`, as it comes."""
    where = ["--resolve", f"{NAME}:{proxy.port}:127.0.0.1", "--cacert", str(proxy.certificate)]
    process = await asyncio.create_subprocess_exec(
        "curl", "--silent", "--no-buffer", "--http2", *where, *options, proxy.url + path, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    try:
        yield process.stdout
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
