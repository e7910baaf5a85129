"""Logging in at OpenID providers: authorization code flow with PKCE. The only place here that has an HTTP client.

OpenID Connect Core 1.0 and Discovery 1.0, RFC 7636 (PKCE), RFC 9207 (`iss` against mixed-up providers), OpenID Connect
RP-Initiated Logout 1.0. Every pending login is bound to its provider by the store and to its browser by a cookie.
"""

import hashlib
import hmac
import json
import re
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import httpx
import msgspec
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from msgspec import Struct

from lianhua.auth.id_token import Person, key_is_known, person_of, read_id_token
from lianhua.config.oidc import Provider, is_safe_address
from lianhua.errors import InvalidRequest, NotFound, OidcRefused, OidcUnavailable
from lianhua.store.pending_logins import PendingLogins

ANSWER_BYTES: Final = 1024 * 1024  # of a provider
TIMEOUT_S: Final = 10.0
METADATA_S: Final = 3_600.0  # then discovery is asked again
_RANDOM_BYTES: Final = 32
_RETURN_TO: Final = re.compile(
    r"/(?!/)[!-\[\]-~]{0,500}"
)  # printable ASCII but the backslash, which browsers read as a slash


class Metadata(Struct, frozen=True):
    """What of a discovery document is used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str = ""
    authorization_response_iss_parameter_supported: bool = False
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class Pending(Struct, frozen=True):
    """A login that has begun. `browser` is the SHA-256 of the cookie that its browser got."""

    provider: str
    browser: str
    nonce: str
    verifier: str
    redirect_uri: str
    return_to: str


class Begun(Struct, frozen=True):
    """Where the browser goes, and the cookie to know it by."""

    address: str
    cookie: str


class Finished(Struct, frozen=True):
    person: Person
    return_to: str


class _Bounded(httpx.AsyncHTTPTransport):
    """Reads no more of an answer than `ANSWER_BYTES`."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101
        response.stream = _BoundedStream(response.stream)
        return response


class _BoundedStream(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._stream:
            size += len(part)
            if size > ANSWER_BYTES:
                raise httpx.ReadError(f"more than {ANSWER_BYTES} bytes")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


class Client:
    """One provider. Raises `OidcUnavailable`, `OidcRefused`."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._metadata: tuple[Metadata, float] | None = None
        self._keys: KeySet | None = None

    async def metadata(self) -> Metadata:
        if self._metadata and self._metadata[1] > time.monotonic():
            return self._metadata[0]
        address = self.provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
        try:
            found = msgspec.convert(await self._get(address), Metadata)
        except msgspec.ValidationError as exc:
            raise OidcUnavailable("the discovery document is not one") from exc
        if found.issuer != self.provider.issuer:
            raise OidcUnavailable(f"the discovery document is of another issuer, {ascii(found.issuer)[:200]}")
        endpoints = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri)
        if not all(map(is_safe_address, endpoints)):
            raise OidcUnavailable("an endpoint is not reached over https")
        self._metadata = found, time.monotonic() + METADATA_S
        return found

    async def redeem(self, code: str, pending: Pending) -> Person:
        """Who the code is of."""
        metadata = await self.metadata()
        token = await self._id_token(metadata, code, pending)
        keys = self._keys or await self._fetch_keys(metadata)
        if not key_is_known(token, keys):  # the provider may have new ones; asked for once a login
            keys = await self._fetch_keys(metadata)
        return person_of(read_id_token(token, keys, self.provider, pending.nonce, time.time()), self.provider)

    def authorization_address(self, metadata: Metadata, state: str, pending: Pending) -> str:
        address, _ = self._oauth(metadata, pending.redirect_uri).create_authorization_url(
            metadata.authorization_endpoint, state=state, code_verifier=pending.verifier, nonce=pending.nonce
        )
        return str(address)

    async def _id_token(self, metadata: Metadata, code: str, pending: Pending) -> str:
        try:
            async with self._oauth(metadata, pending.redirect_uri) as client:
                answer = await client.fetch_token(
                    metadata.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=pending.verifier,
                )
        except (httpx.HTTPError, OSError) as exc:
            raise OidcUnavailable(type(exc).__name__) from exc
        except (AuthlibBaseError, ValueError) as exc:
            raise OidcRefused("the code was refused") from exc
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise OidcRefused("no ID token")
        return token

    async def _fetch_keys(self, metadata: Metadata) -> KeySet:
        try:
            self._keys = KeySet.import_key_set(await self._get(metadata.jwks_uri))
        except (JoseError, ValueError, KeyError, TypeError) as exc:
            raise OidcUnavailable("the keys are not a key set") from exc
        return self._keys

    async def _get(self, address: str) -> Any:
        try:
            async with httpx.AsyncClient(transport=self._transport(), timeout=TIMEOUT_S) as client:
                answer = await client.get(address, headers={"Accept": "application/json"})
            answer.raise_for_status()
            return json.loads(answer.content)
        except (httpx.HTTPError, OSError, ValueError) as exc:
            raise OidcUnavailable(type(exc).__name__) from exc

    def _oauth(self, metadata: Metadata, redirect_uri: str) -> AsyncOAuth2Client:
        provider = self.provider
        basic = "client_secret_basic" in metadata.token_endpoint_auth_methods_supported
        method = ("client_secret_basic" if basic else "client_secret_post") if provider.client_secret else "none"
        return AsyncOAuth2Client(
            provider.client_id,
            provider.client_secret or None,
            token_endpoint_auth_method=method,
            scope=provider.scopes,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            transport=self._transport(),
            timeout=TIMEOUT_S,
        )

    def _transport(self) -> _Bounded:
        try:
            return _Bounded(verify=ssl.create_default_context(cafile=self.provider.ca or None))
        except OSError as exc:
            raise OidcUnavailable("its CA file cannot be read") from exc


class Oidc:
    """Every provider of a server. Raises `NotFound`, `InvalidRequest`, `OidcRefused`, `OidcUnavailable`, and what the
    store raises.
    """

    def __init__(self, providers: Mapping[str, Provider], pending: PendingLogins) -> None:
        self._clients = {name: Client(provider) for name, provider in providers.items()}
        self._pending = pending

    @property
    def providers(self) -> list[Provider]:
        return [client.provider for client in self._clients.values()]

    async def begin(self, name: str, redirect_uri: str, return_to: str) -> Begun:
        """`return_to` is a path of this server. Raises `InvalidRequest` for anything else."""
        check_return_to(return_to)
        client = self._client(name)
        metadata = await client.metadata()
        state, cookie, nonce, verifier = (secrets.token_urlsafe(_RANDOM_BYTES) for _ in range(4))
        pending = Pending(name, _digest(cookie), nonce, verifier, redirect_uri, return_to)
        await self._pending.add(_digest(state), msgspec.json.encode(pending))
        return Begun(client.authorization_address(metadata, state, pending), cookie)

    async def finish(self, name: str, query: Mapping[str, str], cookie: str) -> Finished:
        """Who has come back, with the `query` of the callback's address. A `state` counts once, whatever then."""
        client = self._client(name)
        kept = await self._pending.take(_digest(query.get("state", "")))
        if kept is None:
            raise OidcRefused("state")
        pending = msgspec.json.decode(kept, type=Pending)
        if pending.provider != name:
            raise OidcRefused("the state is another provider's")
        if not hmac.compare_digest(pending.browser, _digest(cookie)):
            raise OidcRefused("another browser has begun")
        metadata = await client.metadata()
        check_response_issuer(query.get("iss"), metadata)
        if "error" in query or not query.get("code"):
            raise OidcRefused("the provider has refused")
        return Finished(await client.redeem(query["code"], pending), pending.return_to)

    async def logout_address(self, name: str, back_to: str) -> str:
        """Where the provider ends its own session; empty where it offers no such thing."""
        client = self._client(name)
        endpoint = (await client.metadata()).end_session_endpoint
        if not is_safe_address(endpoint):
            return ""
        query = urlencode({"client_id": client.provider.client_id, "post_logout_redirect_uri": back_to})
        return endpoint + ("&" if "?" in endpoint else "?") + query

    def _client(self, name: str) -> Client:
        if name not in self._clients:
            raise NotFound("provider")
        return self._clients[name]


def check_return_to(path: str) -> None:
    """Raises `InvalidRequest` for what could lead to another site."""
    if not _RETURN_TO.fullmatch(path):
        raise InvalidRequest("return_to", "a path of this server, beginning with one slash")


def check_response_issuer(said: str | None, metadata: Metadata) -> None:
    """RFC 9207, 2.4. Raises `OidcRefused`."""
    if said is None and not metadata.authorization_response_iss_parameter_supported:
        return
    if said != metadata.issuer:
        raise OidcRefused("iss of the response")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
