"""The scripted server where it is reached in other ways: over TLS, over IPv6."""

import asyncio
import ssl
from typing import Self

from tests.support.upstream import Answer, Upstream
from tests.support.waiting import until


class ReachedUpstream(Upstream):
    """An `Upstream` at `host`, with `tls` if that is given, which tells when its connections have gone."""

    def __init__(self, *answers: Answer, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        super().__init__(*answers)
        self._host = host
        self._tls = tls

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, self._host, 0, ssl=self._tls)
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.base_url = f"http{'s' if self._tls else ''}://{host}:{self.port}/v1"
        return self

    async def all_closed(self) -> None:
        """Waits until no connection is open."""
        await until(lambda: not self._connections)
