"""A model behind any server that speaks OpenAI's chat completions: OpenAI, vLLM, Ollama, llama.cpp, gateways.

The client is our own, and its bytes go straight into our own event decoder: an object tree per token costs several
times everything else. Errors from below are not chained to ours (`from None`), for their texts may quote what the
server sent.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from lianhua.errors import ModelBadResponse, ModelTimeout, ModelUnavailable
from lianhua.models.answer import Answer, Failed, read_start
from lianhua.models.connection import Broken, Connection, NotHttp
from lianhua.models.connections import Connections
from lianhua.models.dialect import Dialect, request_body
from lianhua.models.endpoint import Endpoint, parse_endpoint
from lianhua.models.faults import Fault, complaint_in, fault_of_status
from lianhua.models.inflate import body_of
from lianhua.models.patience import LONGEST_WAIT_S, TRIES, Limits, retry_after_s, wait_before
from lianhua.models.port import Delta, GenerationOptions, ModelInfo, Retrying
from lianhua.prompt import Prompt

__all__ = ["Limits", "OpenAIModel"]

# Enough for every field of an error that is looked at.
ERROR_BODY_BYTES = 64 * 1024
DEFAULT_LIMITS = Limits()
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class OpenAIModel:
    """A `ChatModel` at `base_url` (the address that ends in `/v1`, as the vendors' clients take it).

    `upstream_model` is the name the server knows it by, where that differs from `info.id`. `extra_body` goes into
    each request, below the options of a turn. A login in the address is used where there is no key. Redirects are not
    followed, for the key would follow them; cookies are not kept, proxies of the environment not used.
    """

    def __init__(
        self,
        info: ModelInfo,
        base_url: str,
        api_key: str | None,
        limits: Limits = DEFAULT_LIMITS,
        *,
        upstream_model: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        keep_connections: bool = True,
    ) -> None:
        self._info = info
        self._base_url = base_url
        self._api_key = api_key
        self._limits = limits
        self._upstream_model = upstream_model or info.id
        self._extra = extra_body or _NOTHING
        self._keep_connections = keep_connections
        self._dialect = Dialect()
        self._connections: Connections | None = None
        self._request = b""  # how each begins
        self._closed = False

    @property
    def info(self) -> ModelInfo:
        return self._info

    async def stream(self, prompt: Prompt, options: GenerationOptions) -> AsyncGenerator[Sequence[Delta], None]:
        """See `ChatModel`. While nothing was shown, a passing fault is met by up to two more tries, each announced."""
        shown = False
        attempt = 1
        while True:
            try:
                connections = self._connected()
                deadline = asyncio.get_running_loop().time() + self._limits.first_byte_s
                connection = await self._ask(connections, prompt, options, deadline)
                try:
                    answer = Answer(body_of(connection), deadline, self._limits.delta_s)
                    while batch := await answer.batch():
                        shown = True
                        yield batch
                finally:
                    # One that was read to its end may be used again; any other is closed here and now.
                    connections.give_back(connection)
                return
            except Failed as failed:
                error, wait_s = failed.fault.error, failed.wait_s
                if shown and failed.cut:
                    return
                if shown or not failed.fault.passing or attempt == TRIES or wait_s > LONGEST_WAIT_S:
                    raise error from None
            wait_s = wait_before(attempt, self._limits.retry_s, wait_s)
            yield [Retrying(error.code, wait_s)]
            await asyncio.sleep(wait_s)
            attempt += 1

    async def close(self) -> None:
        """Close every connection. Replies under way end as cut, and none can be asked for any more."""
        self._closed = True
        if self._connections is not None:
            self._connections.close()

    def _connected(self) -> Connections:
        if self._closed:
            raise Failed(Fault(ModelUnavailable("closed")))
        if self._connections is None:
            try:
                endpoint = parse_endpoint(self._base_url)
            except ValueError:
                raise Failed(Fault(ModelUnavailable("the address is none"))) from None
            try:
                self._request = endpoint.begin("POST", "/chat/completions", self._headers(endpoint))
            except ValueError:
                raise Failed(Fault(ModelBadResponse("the key is none that can be sent"))) from None
            self._connections = Connections(endpoint, keep=self._keep_connections)
        return self._connections

    def _headers(self, endpoint: Endpoint) -> dict[str, str]:
        headers = {
            "Accept": "text/event-stream",
            "Accept-Encoding": "identity",  # compression holds single tokens back
            "Content-Type": "application/json",
            "User-Agent": "lianhua",
        }
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key}"
        elif endpoint.login:
            headers["Authorization"] = f"Basic {endpoint.login}"
        if not self._keep_connections:
            headers["Connection"] = "close"
        return headers

    async def _ask(
        self, connections: Connections, prompt: Prompt, options: GenerationOptions, deadline: float
    ) -> Connection:
        """The connection on which a 2xx answer begins."""
        while True:
            dialect = self._dialect
            body = request_body(self._upstream_model, prompt, options, dialect, self._extra, self._info.prefill)
            connection = await self._connect(connections, deadline)
            try:
                await self._post(connection, body, deadline)
                if 200 <= connection.status < 300:
                    return connection
                soon = min(deadline, asyncio.get_running_loop().time() + self._limits.connect_s)
                complaint = complaint_in(await read_start(body_of(connection), ERROR_BODY_BYTES, soon))
            except BaseException:
                connection.close()
                raise
            connections.give_back(connection)
            if connection.status in (400, 422) and (other := dialect.without(complaint)) is not None:
                self._dialect = other
                continue
            fault = fault_of_status(connection.status, complaint)
            raise Failed(fault, wait_s=retry_after_s(connection.header(b"retry-after")))

    async def _connect(self, connections: Connections, deadline: float) -> Connection:
        until = min(deadline, asyncio.get_running_loop().time() + self._limits.connect_s)
        try:
            return await connections.take(until)
        except TimeoutError:
            if until == deadline:
                raise Failed(Fault(ModelTimeout("no first byte in time"))) from None
            raise Failed(Fault(ModelUnavailable("no connection in time"), passing=True)) from None
        except (ssl.SSLError, ValueError) as exc:  # the latter: a host that none can have
            raise Failed(Fault(ModelUnavailable(type(exc).__name__))) from None
        except OSError as exc:
            raise Failed(Fault(ModelUnavailable(type(exc).__name__), passing=True)) from None

    async def _post(self, connection: Connection, body: bytes, deadline: float) -> None:
        """Wait for the head of the answer."""
        try:
            await connection.ask(b"%bContent-Length: %d\r\n\r\n%b" % (self._request, len(body), body), deadline)
        except TimeoutError:
            raise Failed(Fault(ModelTimeout("no first byte in time"))) from None
        except NotHttp as exc:
            raise Failed(Fault(ModelBadResponse(str(exc)))) from None
        except Broken as exc:
            raise Failed(Fault(ModelUnavailable(str(exc)), passing=True)) from None
