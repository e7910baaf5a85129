"""A server below a path, which a proxy in front leaves on or takes off."""

import re
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests.conftest import SCRIPT
from tests.support.client import Client, events, shown
from tests.support.server_process import ServerProcess

BASE = "/chat"
NAME = "chat.example.org"


@pytest.fixture(scope="module")
def based_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Below `BASE`, with this machine as its proxy. `NAME` is its name; the listed origin is another one of that
    name.
    """
    server = ServerProcess(
        tmp_path_factory.mktemp("based"),
        LIANHUA_SCRIPT=str(SCRIPT),
        LIANHUA_BASE_PATH=BASE,
        LIANHUA_TRUSTED_PROXIES="127.0.0.0/8, ::1",
        LIANHUA_ALLOWED_ORIGINS=f"http://{NAME}:1",
    )
    yield server
    server.stop()
    server.kill()


@pytest.fixture
async def anna(session: aiohttp.ClientSession, based_server: ServerProcess) -> AsyncIterator[Client]:
    yield Client(session, based_server.url, "anna")


@pytest.fixture
async def nobody(session: aiohttp.ClientSession, based_server: ServerProcess) -> AsyncIterator[Client]:
    yield Client(session, based_server.url, None)


async def test_every_path_answers_with_and_without_the_base_path(anna: Client) -> None:
    for path in ("/", "/docs", "/openapi.json", "/healthz", "/readyz", "/roles", "/api/roles", "/api/conversations"):
        for before in ("", BASE):
            answer = await anna.ask("GET", before + path)
            assert answer.status == 200, before + path
    for path in ("/chat/nothing", "/chatter", "/chatter/", "/chat/chat/nothing"):
        assert (await anna.ask("GET", path)).problem == (404, "not_found")


async def test_the_tutorials_routes_work_below_a_path_of_their_own_name(anna: Client) -> None:
    for before in ("", BASE):
        started = await anna.ask("POST", f"{before}/chat/start")
        session_id = started.json["session_id"]
        frames = await anna.read(f"{before}/chat/stream", session_id=session_id, message="hello")
        assert shown(frames).end["status"] == "done"
        history = await anna.get(f"{before}/chat/history", session_id=session_id)
        assert history["total"] == 2
        assert (await anna.ask("DELETE", f"{before}/chat/history/{session_id}")).status == 200


async def test_an_address_in_an_answer_leads_there_however_it_is_joined(anna: Client) -> None:
    conversation = await anna.create()
    answer = await anna.send(conversation, "hello")
    address = answer.json["events_url"]
    assert address == BASE + events(conversation, answer.json["turn_id"])
    for path in (address, BASE + address):  # resolved against the address of the request, or put behind the base path
        assert shown(await anna.read(path)).end["status"] == "done"
    document = await anna.get(f"{BASE}/openapi.json")
    assert document["servers"][0] == {"url": BASE}


async def test_a_slash_too_few_or_too_many_leads_on_without_naming_a_host(
    session: aiohttp.ClientSession, based_server: ServerProcess
) -> None:
    for path, address in {
        BASE: f"{BASE}/",
        f"{BASE}?a=b": f"{BASE}/?a=b",
        f"{BASE}/docs/": f"{BASE}/docs",
        "/docs/": "/docs",
        f"{BASE}/api/conversations/?limit=1": f"{BASE}/api/conversations?limit=1",
    }.items():
        async with session.get(based_server.url + path, allow_redirects=False) as answer:
            assert answer.status == 307
            assert re.match(r"\.\.?/", answer.headers["Location"])
        async with session.get(based_server.url + path) as answer:
            assert (answer.status, str(answer.url)) == (200, based_server.url + address)


async def test_the_cookie_is_for_the_base_path_alone(nobody: Client) -> None:
    page = await nobody.ask("GET", f"{BASE}/")
    cookie = page.headers["Set-Cookie"]
    found = re.fullmatch(r"(lianhua_uid\.chat=[\w-]{22}); Path=/chat; Max-Age=\d+; HttpOnly; SameSite=Lax", cookie)
    assert found
    # Another server of this host, at its root, has a cookie of its own, which comes along.
    both = {"Cookie": f"lianhua_uid={'x' * 22}; {found[1]}"}
    created = await nobody.ask("POST", f"{BASE}/api/conversations", {}, both)
    assert "Set-Cookie" not in created.headers
    mine = await nobody.ask("GET", f"{BASE}/api/conversations", headers={"Cookie": found[1]})
    assert [each["id"] for each in mine.json["conversations"]] == [created.json["id"]]


async def test_a_proxy_may_name_another_prefix(nobody: Client) -> None:
    said = {"X-Forwarded-Prefix": "/x/y/", "X-Forwarded-Proto": "https"}
    started = await nobody.ask("POST", "/api/chat/start", headers=said)
    assert re.match(r"lianhua_uid\.x\.y=[\w-]{22}; Path=/x/y; .*Secure", started.headers["Set-Cookie"])
    document = (await nobody.ask("GET", "/x/y/openapi.json", headers=said)).json
    assert document["servers"][0] == {"url": "/x/y"}
    forged = await nobody.ask("POST", "/api/chat/start", headers={"X-Forwarded-Prefix": "//evil.example"})
    assert "Path=/chat;" in forged.headers["Set-Cookie"]


# Names


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": NAME, "Origin": f"https://{NAME}"},
        {"Host": f"{NAME}:443", "Origin": f"https://{NAME}"},
        {"Host": f"{NAME}:8080", "Origin": f"http://{NAME}:8080"},
        {"X-Forwarded-Host": NAME, "Origin": f"https://{NAME}"},
        {"X-Forwarded-Host": NAME, "X-Forwarded-Port": "8080", "Origin": f"http://{NAME}:8080"},
        {"Forwarded": f"for=192.0.2.1;host={NAME};proto=https", "Origin": f"https://{NAME}"},
    ],
    ids=str,
)
async def test_the_page_behind_a_proxy_may_change_things(anna: Client, headers: dict[str, str]) -> None:
    assert (await anna.ask("POST", "/api/chat/start", headers=headers)).status == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Origin": f"https://{NAME}"}, "cross_site"),
        ({"Host": NAME, "Origin": f"https://{NAME}.evil.example"}, "cross_site"),
        ({"X-Forwarded-Host": NAME, "Origin": "https://evil.example"}, "cross_site"),
        ({"X-Forwarded-Host": "evil.example", "Origin": "https://evil.example"}, "forbidden"),
        ({"Forwarded": "host=evil.example", "Origin": "https://evil.example"}, "forbidden"),
        ({"Host": "evil.example", "X-Forwarded-Host": NAME}, "forbidden"),
        ({"X-Forwarded-Host": NAME, "Origin": f"https://{NAME}", "Sec-Fetch-Site": "cross-site"}, "cross_site"),
    ],
    ids=str,
)
async def test_nobody_else_may_behind_a_proxy(anna: Client, headers: dict[str, str], code: str) -> None:
    assert (await anna.ask("POST", "/api/chat/start", headers=headers)).problem == (403, code)


async def test_without_a_trusted_proxy_nothing_of_it_counts(alice: Client) -> None:
    forged = {
        "X-Forwarded-Host": NAME,
        "Forwarded": f"host={NAME}",
        "X-Forwarded-Prefix": "/x",
        "Origin": f"https://{NAME}",
    }
    assert (await alice.ask("POST", "/chat/start", headers=forged)).problem == (403, "cross_site")
    said = {**forged, "X-Forwarded-Proto": "https"}
    del said["Origin"]
    answer = await alice.as_user(None).ask("POST", "/chat/start", headers=said)
    assert "; Path=/;" in answer.headers["Set-Cookie"]
    assert "Secure" not in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(("language", "words"), [("zh", "原样传递 Host"), ("en", "pass the Host on")])
async def test_a_page_that_a_proxy_hides_says_what_to_set(alice: Client, language: str, words: str) -> None:
    """nginx, Apache and Squid as shipped name the server behind them in Host."""
    lan = {"Origin": "http://192.168.1.5", "Accept-Language": language}
    for method, path in (("POST", "/chat/start"), ("GET", "/chat/stream?session_id=x&message=x")):
        answer = await alice.ask(method, path, headers=lan)
        assert answer.problem == (403, "cross_site")
        for word in (words, "http://192.168.1.5", "127.0.0.1:", "LIANHUA_ALLOWED_ORIGINS"):
            assert word in answer.json["detail"]
