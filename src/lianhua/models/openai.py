"""A model behind any server that speaks OpenAI's chat completions: OpenAI, vLLM, Ollama, llama.cpp, gateways.

The client is aiohttp, and its bytes go straight into our own event decoder: an object tree per token costs
several times everything else. The client's errors are not chained to ours (`from None`), for their texts quote
what the server sent.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from io import BytesIO
from types import MappingProxyType
from typing import Any

import aiohttp
from yarl import URL

from lianhua.errors import ModelBadResponse, ModelTimeout, ModelUnavailable
from lianhua.models.answer import Failed, read_answer, read_start
from lianhua.models.dialect import Dialect, request_body
from lianhua.models.faults import Fault, complaint_in, fault_of_status
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
    each request, below the options of a turn. Redirects are not followed, for the key would follow them; cookies are
    not kept, proxies of the environment not used.
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
        base = URL(base_url)
        self._url = (base / "chat" / "completions").with_query(base.query)
        self._api_key = api_key
        self._limits = limits
        self._upstream_model = upstream_model or info.id
        self._extra = extra_body or _NOTHING
        self._keep_connections = keep_connections
        self._dialect = Dialect()
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._open: set[aiohttp.ClientResponse] = set()

    @property
    def info(self) -> ModelInfo:
        return self._info

    async def stream(self, prompt: Prompt, options: GenerationOptions) -> AsyncGenerator[Sequence[Delta], None]:
        """See `ChatModel`. While nothing was shown, a passing fault is met by up to two more tries, each announced."""
        shown = False
        attempt = 1
        while True:
            try:
                async with aclosing(self._try(prompt, options)) as batches:
                    async for batch in batches:
                        shown = True
                        yield batch
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
        for response in self._open:
            response.close()  # the session alone would leave its reader waiting
        if self._session is not None:
            await self._session.close()

    async def _try(self, prompt: Prompt, options: GenerationOptions) -> AsyncGenerator[list[Delta], None]:
        """One reply to one request; ends after its `Finish`. Raises `Failed`."""
        deadline = asyncio.get_running_loop().time() + self._limits.first_byte_s
        response = await self._ask(prompt, options, deadline)
        self._open.add(response)
        try:
            async with aclosing(read_answer(response, deadline, self._limits.delta_s)) as batches:
                async for batch in batches:
                    yield batch
        finally:
            # A body that was read to its end has given its connection back; any other is closed here and now.
            self._open.discard(response)
            response.close()

    async def _ask(self, prompt: Prompt, options: GenerationOptions, deadline: float) -> aiohttp.ClientResponse:
        while True:
            dialect = self._dialect
            body = request_body(self._upstream_model, prompt, options, dialect, self._extra)
            response = await self._post(body, deadline)
            if 200 <= response.status < 300:
                return response
            try:
                soon = min(deadline, asyncio.get_running_loop().time() + self._limits.connect_s)
                complaint = complaint_in(await read_start(response, ERROR_BODY_BYTES, soon))
            finally:
                response.close()
            if response.status in (400, 422) and (other := dialect.without(complaint)) is not None:
                self._dialect = other
                continue
            fault = fault_of_status(response.status, complaint)
            raise Failed(fault, wait_s=retry_after_s(response.headers.get("Retry-After")))

    async def _post(self, body: bytes, deadline: float) -> aiohttp.ClientResponse:
        if self._closed:
            raise Failed(Fault(ModelUnavailable("closed")))
        if self._session is None:
            self._session = self._open_session()
        try:
            async with asyncio.timeout_at(deadline):
                # A file and not bytes: those aiohttp writes in one go, however many they are, and warns of it.
                return await self._session.post(self._url, data=BytesIO(body), allow_redirects=False)
        except aiohttp.ConnectionTimeoutError:
            raise Failed(Fault(ModelUnavailable("no connection in time"), passing=True)) from None
        except TimeoutError:
            raise Failed(Fault(ModelTimeout("no first byte in time"))) from None
        except (aiohttp.ClientSSLError, aiohttp.InvalidURL) as exc:
            raise Failed(Fault(ModelUnavailable(type(exc).__name__))) from None
        except aiohttp.ClientConnectionError as exc:
            raise Failed(Fault(ModelUnavailable(type(exc).__name__), passing=True)) from None
        except (aiohttp.ClientError, ValueError) as exc:  # not HTTP, or a header that is none
            raise Failed(Fault(ModelBadResponse(type(exc).__name__))) from None

    def _open_session(self) -> aiohttp.ClientSession:
        headers = {
            "Accept": "text/event-stream",
            "Accept-Encoding": "identity",  # compression holds single tokens back
            "Content-Type": "application/json",
            "User-Agent": "lianhua",
        }
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key}"
        return aiohttp.ClientSession(
            # How many turns run at once is for the service to say.
            connector=aiohttp.TCPConnector(limit=0, force_close=not self._keep_connections),
            timeout=aiohttp.ClientTimeout(total=None, connect=self._limits.connect_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            trust_env=False,
        )
