"""A model behind any server that speaks OpenAI's chat completions: OpenAI, vLLM, Ollama, llama.cpp, gateways.

The client is our own, and its bytes go straight into our own event decoder: an object tree per token costs several
times everything else. Errors from below are not chained to ours (`from None`), for their texts may quote what the
server sent.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import msgspec

from lianhua.chat.prompt import Prompt, has_history, token_budget
from lianhua.errors import (
    ContextTooLong,
    ModelBadResponse,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
    PrefillRefused,
)
from lianhua.models.http.connection import Broken, Connection, NotHttp
from lianhua.models.http.endpoint import Endpoint, parse_endpoint
from lianhua.models.http.inflate import body_of
from lianhua.models.http.pool import Connections
from lianhua.models.http.proxies import Proxy, ProxyFailed
from lianhua.models.http.roots import NoRoots
from lianhua.models.openai.dialect import Dialect, request_body
from lianhua.models.openai.errors import Complaint, Fault, complaint_in, fault_of_status
from lianhua.models.openai.listing import read_list
from lianhua.models.openai.offered import offered_models, unknown_model
from lianhua.models.openai.refusals import SMALLEST_WINDOW_TOKENS, refuses_prefill, window_in
from lianhua.models.openai.response import Answer, Failed, read_start
from lianhua.models.openai.retry import TRIES, retry_after_s, wait_before
from lianhua.models.openai.timeouts import Limits
from lianhua.models.openai.window_size import MORE_TO_ASK, listed_size
from lianhua.models.port import Delta, GenerationOptions, ModelInfo, Retrying, WindowSource
from lianhua.models.thoughts import mentions_marks
from lianhua.models.tries import Tries

__all__ = ["Limits", "OpenAIModel"]

# Enough for every field of an error that is looked at.
ERROR_BODY_BYTES = 64 * 1024
# Of a list of models; that of OpenRouter is nearly 1 MB.
LIST_BODY_BYTES = 4 * 1024 * 1024
# No server gives a window below 2,048 tokens unless it is told to, and a quarter of it is for the reply: only from here
# on it matters how large it is, and its server is asked.
ASK_FOR_SIZE_TOKENS = 1_536
# What that may take, and how often it is tried where the server does not say.
SIZE_S = 2.0
SIZE_TRIES = 3
# What a server refused it may take later: behind the same name there may be another model by then.
DIALECT_S = 3_600.0
DEFAULT_LIMITS = Limits()
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class OpenAIModel:
    """A `ChatModel` at `base_url` (the address that ends in `/v1`, as the vendors' clients take it).

    `upstream_model` is the name the server knows it by, where that differs from `info.id`. `extra_body` goes into
    each request, below the options of a turn. A login in the address is used where there is no key. Redirects are not
    followed, for the key would follow them; cookies are not kept. `proxy` is on the way to the server, and errors name
    it. The size of a guessed window is asked once it matters and learnt from refusals; `info` has what is known.
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
        proxy: Proxy | None = None,
    ) -> None:
        self._info = info
        self._base_url = base_url
        self._api_key = api_key
        self._limits = limits
        self._upstream_model = upstream_model or info.id
        self._extra = extra_body or _NOTHING
        self._keep_connections = keep_connections
        self._proxy = proxy
        self._dialect = Dialect()
        self._dialect_until_s = 0.0  # by the event loop's clock
        self._size_tries = SIZE_TRIES if info.window == "guessed" else 0
        self._connections: Connections | None = None
        self._request = b""  # how each begins
        self._closed = False

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def proxy(self) -> Proxy | None:
        """What is on the way to the server."""
        return self._proxy

    async def stream(self, prompt: Prompt, options: GenerationOptions) -> AsyncGenerator[Sequence[Delta], None]:
        """See `ChatModel`. While nothing was shown, a passing fault is met by up to two more tries, each announced."""
        await self._check_size(prompt)
        tries = options.tries or Tries()
        shown = False
        attempt = 1
        while True:
            try:
                connections = self._connected()
                deadline = asyncio.get_running_loop().time() + self._limits.first_byte_s
                connection = await self._ask(connections, prompt, options, deadline, tries)
                try:
                    answer = Answer(
                        body_of(connection), deadline, self._limits.delta_s, watches=_may_end_thoughts_alone(prompt)
                    )
                    while batch := await answer.batch():
                        shown = True
                        yield batch
                finally:
                    # One that was read to its end may be used again; any other is closed here and now.
                    connections.give_back(connection)
                return
            except Failed as failed:
                if shown and failed.cut:
                    return
                if shown:
                    raise self._with_way(failed.fault.error) from None
                if self._speaks_otherwise_after(failed):
                    continue
                error, wait_s = self._learnt_from(failed.fault, prompt), failed.wait_s
                if not failed.fault.passing or error is not failed.fault.error or attempt == TRIES:
                    raise self._with_way(error) from None
            wait_s = wait_before(attempt, self._limits.retry_s, wait_s)
            if not tries.may_repeat(asyncio.get_running_loop().time(), wait_s):
                raise self._with_way(error) from None
            attempt += 1
            yield [Retrying(error.code, wait_s, attempt, TRIES)]
            await asyncio.sleep(wait_s)

    async def find_size(self) -> None:
        """Asks the server how large a guessed window is, where it has not said so before. Never raises."""
        if self._size_tries:
            self._size_tries -= 1
            self._learn_size(await self._reported_size(), "told")

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
                raise Failed(
                    Fault(
                        ModelUnavailable("its address is no web address; set OPENAI_BASE_URL like http://host:port/v1")
                    )
                ) from None
            try:
                self._request = self._begin(endpoint, "POST", "/chat/completions", self._headers(endpoint))
            except ValueError:
                raise Failed(
                    Fault(ModelBadResponse("its key has characters that cannot be sent; set it again"))
                ) from None
            self._connections = Connections(endpoint, keep=self._keep_connections, proxy=self._proxy)
        return self._connections

    def _with_way(self, error: ModelError) -> ModelError:
        """`error`, with the name of the proxy that was on the way."""
        return error if self._proxy is None else type(error)(f"{error} (by way of {self._proxy})")

    def _begin(self, endpoint: Endpoint, method: str, below: str, headers: Mapping[str, str]) -> bytes:
        """How a request begins on the way to the server. Raises `ValueError`."""
        proxy = self._proxy
        if proxy is None or not proxy.relays(endpoint):
            return endpoint.begin(method, below, headers)
        login = {"Proxy-Authorization": f"Basic {proxy.endpoint.login}"} if proxy.has_login else {}
        return endpoint.begin(method, below, {**headers, **login}, whole=True)

    def _headers(self, endpoint: Endpoint) -> dict[str, str]:
        headers = {
            "Accept": "text/event-stream",
            "Accept-Encoding": "identity",  # compression holds single tokens back
            "Content-Type": "application/json",
            "User-Agent": "lianhua",
            "x-litellm-num-retries": "0",  # a LiteLLM in between is not to multiply our own tries
        }
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key}"
        elif endpoint.login:
            headers["Authorization"] = f"Basic {endpoint.login}"
        if not self._keep_connections:
            headers["Connection"] = "close"
        return headers

    async def _ask(
        self, connections: Connections, prompt: Prompt, options: GenerationOptions, deadline: float, tries: Tries
    ) -> Connection:
        """The connection on which a 2xx answer begins. What it took to get one is remembered."""
        if asyncio.get_running_loop().time() > self._dialect_until_s:
            self._dialect = Dialect()
        dialect, refused = self._dialect, None
        while True:
            if not tries.begin(asyncio.get_running_loop().time()):
                raise refused or Failed(Fault(ModelUnavailable("no try left")))
            body = request_body(self._upstream_model, prompt, options, dialect, self._extra, self._info.prefill)
            connection = await self._connect(connections, deadline)
            try:
                await self._post(connection, body, deadline)
                if 200 <= connection.status < 300:
                    if refused:
                        self._learn_dialect(dialect.lasting)
                    return connection
                soon = min(deadline, asyncio.get_running_loop().time() + self._limits.connect_s)
                complaint = complaint_in(await read_start(body_of(connection), ERROR_BODY_BYTES, soon))
            except BaseException:
                connection.close()
                raise
            connections.give_back(connection)
            if connection.status == 407 and self._proxy is not None:
                given = "does not take the login it was given" if self._proxy.has_login else "asks for a login"
                raise Failed(Fault(ModelUnavailable(f"the proxy {given} (407)")))
            refused = _refusal(connection, complaint)
            if self._of_prefill(complaint, prompt) or (other := dialect.after(connection.status, complaint)) is None:
                raise await self._with_names(refused, connections, connection.status, complaint)
            dialect = other

    async def _with_names(self, refused: Failed, connections: Connections, status: int, complaint: Complaint) -> Failed:
        """The refusal; where it is of the model's name, with that and the names that the server knows."""
        says_nothing = status == 404 and not complaint.words
        if status in (400, 404, 422, 503) and (complaint.of_unknown_model or says_nothing):
            names = await self._offered(connections)
            fault = unknown_model(refused.fault, self._upstream_model, names, said_so=complaint.of_unknown_model)
            return Failed(fault, wait_s=refused.wait_s, of_status=True)
        return refused

    def _speaks_otherwise_after(self, failed: Failed) -> bool:
        """Whether an error inside a 200 was about the roles, which are sent in another way from then on."""
        complaint = failed.fault.complaint
        if failed.of_status or complaint is None or (other := self._dialect.after(500, complaint)) is None:
            return False
        self._learn_dialect(other)
        return True

    def _learn_dialect(self, dialect: Dialect) -> None:
        if dialect != self._dialect:
            self._dialect = dialect
            self._dialect_until_s = asyncio.get_running_loop().time() + DIALECT_S

    def _of_prefill(self, complaint: Complaint, prompt: Prompt) -> bool:
        goes_on = self._info.prefill is not None and prompt.messages[-1].role == "assistant"
        return goes_on and refuses_prefill(complaint.words)

    def _learnt_from(self, fault: Fault, prompt: Prompt) -> ModelError:
        """The error of a fault, and what it tells of the model besides."""
        complaint = fault.complaint or Complaint()
        if self._of_prefill(complaint, prompt):
            self._info = msgspec.structs.replace(self._info, prefill=None)
            return PrefillRefused(str(fault.error))
        if isinstance(fault.error, ContextTooLong):
            used = prompt.context.used_tokens
            guess = used if self._info.window != "set" and used >= SMALLEST_WINDOW_TOKENS else None
            self._learn_size(window_in(complaint.words) or guess, "learnt")
        return fault.error

    def _learn_size(self, tokens: int | None, window: WindowSource) -> None:
        if tokens is not None and (window == "told" or tokens < self._info.context_tokens):
            self._info = msgspec.structs.replace(self._info, context_tokens=tokens, window=window)
            self._size_tries = 0

    async def _check_size(self, prompt: Prompt) -> None:
        """Finds out what matters for a prompt. Raises `ContextTooLong` where it has to shrink."""
        used = prompt.context.used_tokens
        if not self._size_tries or used < ASK_FOR_SIZE_TOKENS:
            return
        await self.find_size()
        if used > token_budget(self._info.context_tokens) and has_history(prompt.context):
            raise ContextTooLong("its server says so before it is asked")

    async def _reported_size(self) -> int | None:
        """What the server's own lists say; None where they do not, cannot be read, or not in time."""
        try:
            connections, endpoint = self._connected(), parse_endpoint(self._base_url)
            until = asyncio.get_running_loop().time() + SIZE_S
            headers = {**self._headers(endpoint), "Accept": "application/json"}
            del headers["Content-Type"]
            request = self._begin(endpoint, "GET", "/models", headers)
            size = listed_size(await read_list(connections, request, LIST_BODY_BYTES, until), self._upstream_model)
            if size.tokens is None and size.owner in MORE_TO_ASK:
                root = msgspec.structs.replace(endpoint, path=endpoint.path.rstrip("/").removesuffix("/v1"))
                request = self._begin(root, "GET", MORE_TO_ASK[size.owner], headers)
                body = await read_list(connections, request, LIST_BODY_BYTES, until)
                size = listed_size(body, self._upstream_model)
        except (Failed, ProxyFailed, Broken, NotHttp, OSError, ValueError):  # a time limit is an OSError
            return None
        return size.tokens

    async def _offered(self, connections: Connections) -> list[str]:
        """The models that the server has."""
        endpoint = parse_endpoint(self._base_url)
        headers = {**self._headers(endpoint), "Accept": "application/json"}
        return await offered_models(connections, endpoint.begin("GET", "/models", headers))

    async def _connect(self, connections: Connections, deadline: float) -> Connection:
        until = min(deadline, asyncio.get_running_loop().time() + self._limits.connect_s)
        try:
            return await connections.take(until)
        except TimeoutError:
            if until == deadline:
                raise Failed(Fault(ModelTimeout("no first byte in time"))) from None
            raise Failed(Fault(ModelUnavailable("no connection in time"), passing=True)) from None
        except ProxyFailed as exc:
            raise Failed(Fault(ModelUnavailable(str(exc)), passing=exc.passing)) from None
        except NoRoots as exc:
            raise Failed(Fault(ModelUnavailable(str(exc)))) from None
        except ssl.SSLCertVerificationError as exc:
            detail = f"its certificate is not believed: {exc.verify_message}, {type(exc).__name__}"
            raise Failed(Fault(ModelUnavailable(detail))) from None
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


def _may_end_thoughts_alone(prompt: Prompt) -> bool:
    """Whether a mark in the reply that closes thoughts may be one although none has opened them: not where the reply
    goes on from the midst of itself, nor where such marks are what is talked about."""
    messages = prompt.messages
    return messages[-1].role != "assistant" and not any(mentions_marks(message.content) for message in messages)


def _refusal(connection: Connection, complaint: Complaint) -> Failed:
    fault = fault_of_status(connection.status, complaint)
    # OpenAI's way to say that the same request will not do better (its own clients obey it too).
    passing = fault.passing and connection.header(b"x-should-retry") != "false"
    fault = replace(fault, passing=passing, complaint=complaint)
    return Failed(fault, wait_s=retry_after_s(connection.header(b"retry-after")), of_status=True)
