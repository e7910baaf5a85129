"""A body that is compressed although nobody asked for it, read as it was meant."""

import zlib
from typing import Protocol

from lianhua.models.http.connection import Broken, Connection

# At most so much comes of one read, however little was sent for it.
INFLATED_BYTES = 256 * 1024


class Body(Protocol):
    """What an answer's bytes are read from."""

    async def read(self, deadline: float) -> bytes:
        """Some bytes, empty at the end. Raises `Broken`, `TimeoutError` when the loop's clock shows `deadline`."""
        ...


class Inflated:
    """A `Body` of gzip or deflate. A stream that breaks off is `Broken`, for its end is in it."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # gzip or zlib, as its first bytes say
        self._begun = False

    async def read(self, deadline: float) -> bytes:
        while not self._stream.eof:
            packed = self._stream.unconsumed_tail or await self._body.read(deadline)
            try:
                if plain := self._inflate(packed):
                    return plain
            except zlib.error:
                raise Broken("zlib.error") from None
            if not packed:
                raise Broken("a compressed body without its end")
        while await self._body.read(deadline):
            pass  # behind the stream's end nothing counts, but the connection can be used again
        return b""

    def _inflate(self, packed: bytes) -> bytes:
        if not self._begun and packed:
            self._begun = True
            # Some servers take "deflate" at its word and leave zlib's header out: the low half byte tells.
            if packed[0] & 0x0F != 8 and packed[0] != 0x1F:
                self._stream = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        return self._stream.decompress(packed, INFLATED_BYTES)


def body_of(connection: Connection) -> Body:
    """The body of the answer on `connection`, as its headers say it is packed."""
    packing = (connection.header(b"content-encoding") or "").lower()
    return Inflated(connection) if packing in ("gzip", "x-gzip", "deflate") else connection
