"""What the server refuses whoever asks, and what every answer carries."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.conftest import SCRIPT
from tests.support.client import Client, events, turns
from tests.support.server_process import ServerProcess
from tests.support.waiting import until

ORIGIN = "https://chat.example.org"
BODY_BYTES = 256 * 1024


def guarded(headers: Mapping[str, str]) -> bool:
    """Whether an answer carries what keeps a browser from doing harm with it."""
    policy = headers.get("Content-Security-Policy", "")
    return (
        policy.startswith("default-src 'none'; script-src 'self';")
        and "frame-ancestors 'none'" in policy
        and "require-trusted-types-for 'script'" in policy
        and "unsafe" not in policy
        and headers.get("X-Content-Type-Options") == "nosniff"
        and headers.get("Referrer-Policy") == "no-referrer"
        and headers.get("Cross-Origin-Resource-Policy") == "same-origin"
        and "Server" not in headers
    )


async def test_every_kind_of_answer_is_guarded(alice: Client) -> None:
    conversation = await alice.create()
    turn = await alice.begin(conversation, "[long]")
    async with alice.stream(events(conversation, turn)) as stream:
        assert guarded(stream.headers)
        await stream.until(lambda frames: len(frames) == 2)
    kinds = {
        "the page": (200, await alice.ask("GET", "/")),
        "data": (200, await alice.ask("GET", "/api/conversations")),
        "the document": (200, await alice.ask("GET", "/openapi.json")),
        "health": (200, await alice.ask("GET", "/healthz")),
        "created": (201, await alice.ask("POST", "/api/conversations", {})),
        "no address": (404, await alice.ask("GET", "/nothing")),
        "not found": (404, await alice.ask("GET", "/api/conversations/x")),
        "no method": (405, await alice.ask("PUT", "/roles")),
        "busy": (409, await alice.send(conversation, "hello")),
        "invalid": (422, await alice.send(conversation, "")),
        "too large": (413, await alice.ask("POST", turns(conversation), b" " * (BODY_BYTES + 1))),
        "another site": (403, await alice.ask("POST", "/chat/start", headers={"Sec-Fetch-Site": "cross-site"})),
        "another host": (403, await alice.ask("GET", "/roles", headers={"Host": "evil.example"})),
        "stopped": (200, await alice.ask("POST", f"{turns(conversation)}/{turn}/stop")),
        "removed": (204, await alice.ask("DELETE", f"/api/conversations/{conversation}")),
    }
    assert {name: answer.status for name, (_, answer) in kinds.items()} == {
        name: status for name, (status, _) in kinds.items()
    }
    assert [name for name, (_, answer) in kinds.items() if not guarded(answer.headers)] == []


async def test_an_unchanged_file_of_the_page_is_not_sent_again(alice: Client) -> None:
    page = await alice.ask("GET", "/")
    again = await alice.ask("GET", "/", headers={"If-None-Match": page.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    assert guarded(again.headers)


async def test_nobodys_data_is_kept_by_a_cache(alice: Client) -> None:
    conversation = await alice.create()
    for path in ("/api/conversations", f"/chat/history?session_id={conversation}", "/roles", "/api/conversations/x"):
        assert "no-store" in (await alice.ask("GET", path)).headers["Cache-Control"]


# Other names for this machine: a page anywhere could point its own at 127.0.0.1


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0",
             "192.168.1.5", "[::1", "@127.0.0.1", "evil@127.0.0.1.example", ""]
)  # fmt: skip
async def test_a_foreign_host_is_refused(alice: Client, host: str) -> None:
    for method, path in (("GET", "/"), ("GET", "/roles"), ("POST", "/chat/start")):
        answer = await alice.ask(method, path, headers={"Host": host})
        assert answer.problem == (403, "forbidden")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1", "127.1.2.3:80", "[::1]:8000"])
async def test_every_name_of_this_machine_will_do(alice: Client, host: str) -> None:
    assert (await alice.ask("GET", "/roles", headers={"Host": host})).status == 200


# Other sites


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Origin": "http://["},
    ],
    ids=str,
)
async def test_another_sites_page_changes_nothing(alice: Client, headers: dict[str, str]) -> None:
    conversation = await alice.create(title="mine")
    turn = (await alice.say(conversation, "hello")).turn["turn_id"]
    path = f"/api/conversations/{conversation}"
    for method, where, body in (
        ("POST", "/chat/start", None),
        ("POST", "/api/conversations", {}),
        ("PATCH", path, {"title": "theirs"}),
        ("POST", turns(conversation), {"message": "hello"}),
        ("POST", f"{turns(conversation)}/{turn}/stop", None),
        ("DELETE", f"/chat/history/{conversation}", None),
        ("DELETE", path, None),
    ):
        assert (await alice.ask(method, where, body, headers)).problem == (403, "cross_site")
    kept = await alice.get(path)
    assert (kept["title"], kept["message_count"]) == ("mine", 2)
    assert len((await alice.get("/api/conversations"))["conversations"]) == 1


async def test_our_own_page_may_change_things(alice: Client) -> None:
    own = {"Origin": f"http://{urlsplit(alice.url).netloc}"}
    for headers in (own, {**own, "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
        assert (await alice.ask("POST", "/chat/start", headers=headers)).status == 200


async def test_no_other_origin_may_read_unless_it_is_listed(alice: Client) -> None:
    answer = await alice.ask("GET", "/roles", headers={"Origin": ORIGIN})
    preflight = await alice.ask(
        "OPTIONS", "/chat/start", headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    )
    for headers in (answer.headers, preflight.headers):
        assert not [name for name in headers if name.lower().startswith("access-control-")]


@pytest.fixture(scope="module")
def listing_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that lets one other origin in."""
    data_dir = tmp_path_factory.mktemp("origins")
    server = ServerProcess(data_dir, LIANHUA_ALLOWED_ORIGINS=ORIGIN, LIANHUA_SCRIPT=str(SCRIPT))
    yield server
    server.stop()
    server.kill()


@pytest.fixture
async def listed(session: aiohttp.ClientSession, listing_server: ServerProcess) -> AsyncIterator[Client]:
    yield Client(session, listing_server.url, "alice")


async def test_a_listed_origin_is_let_in(listed: Client) -> None:
    headers = {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"}
    started = await listed.ask("POST", "/chat/start", headers=headers)
    assert started.status == 200
    assert started.headers["Access-Control-Allow-Origin"] == ORIGIN
    session_id = started.json["session_id"]
    async with listed.stream("/chat/stream", headers=headers, session_id=session_id, message="hello") as stream:
        assert stream.headers["Access-Control-Allow-Origin"] == ORIGIN
        await stream.until(lambda frames: frames[-1].name == "end")
    host = await listed.ask("GET", "/roles", headers={"Host": "chat.example.org"})
    assert host.status == 200


async def test_a_listed_origin_is_asked_about_first(listed: Client) -> None:
    headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,idempotency-key,last-event-id",
    }
    answer = await listed.ask("OPTIONS", "/api/conversations", headers=headers)
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", f"{ORIGIN}.evil.example", "http://chat.example.org", "null"]
)
async def test_an_origin_beside_the_list_is_not(listed: Client, origin: str) -> None:
    refused = await listed.ask("POST", "/chat/start", headers={"Origin": origin, "Sec-Fetch-Site": "cross-site"})
    assert refused.problem == (403, "cross_site")
    read = await listed.ask("GET", "/roles", headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in read.headers


# Sizes


async def test_a_body_has_a_limit(alice: Client) -> None:
    conversation = await alice.create()
    rest = BODY_BYTES - len(json.dumps({"message": ""}))
    fits = await alice.send(conversation, "x" * rest)
    assert fits.problem == (422, "message_too_long")
    over = await alice.send(conversation, "x" * (rest + 1))
    assert over.problem == (413, "payload_too_large")
    assert await alice.messages(conversation) == []


async def test_a_body_without_a_length_has_the_same_limit(alice: Client, session: aiohttp.ClientSession) -> None:
    conversation = await alice.create()

    async def body() -> AsyncIterator[bytes]:
        for _ in range(BODY_BYTES // 1024 + 1):
            yield b" " * 1024

    url = alice.address(turns(conversation))
    async with session.post(url, data=body(), headers={"Content-Type": "application/json"}) as answer:
        assert answer.status == 413
        assert (await answer.json(content_type=None))["code"] == "payload_too_large"


# The log


async def test_the_log_holds_nothing_that_a_person_wrote(alice: Client, http_server: ServerProcess) -> None:
    marker = "sesame"
    conversation = await alice.create(title=f"title {marker}")
    await alice.say(conversation, f"hello {marker}")
    await alice.say(conversation, f"[refused] {marker}")
    await alice.read("/chat/stream", session_id=conversation, message=f"stream {marker}")
    await alice.send(conversation, f"[think] {marker}", key=f"key-{marker}")
    await alice.ask("PATCH", f"/api/conversations/{conversation}", {"title": f"renamed {marker}"})
    await alice.ask("GET", "/api/conversations", headers={"Cookie": f"lianhua_uid={marker}"}, q=marker)
    await alice.ask("GET", "/chat/stream", session_id=conversation, message=marker * 10_000)
    await alice.ask("GET", "/chat/stream", session_id=conversation, message=marker, role=marker)
    await alice.ask("GET", "/chat/stream", headers={"Last-Event-ID": marker}, session_id=conversation)
    await alice.ask("POST", turns(conversation), f'{{"message": "{marker}'.encode())
    await alice.ask("POST", turns(conversation), f'{{"message": ["{marker}"], "{marker}": 1}}'.encode())
    await alice.ask("POST", turns(conversation), {"message": f"{marker}\0"})
    await alice.ask("POST", "/chat/start", headers={"Origin": f"https://{marker}.example"})
    await alice.ask("GET", "/roles", headers={"Host": f"{marker}.example", "Authorization": f"Bearer {marker}"})
    assert f"POST {turns(conversation)} 202" in http_server.log
    assert marker not in http_server.log


async def test_a_line_of_the_log_cannot_be_forged(alice: Client, http_server: ServerProcess) -> None:
    await alice.ask("GET", "/api/x%0A2026-01-01%20INFO%20forged")
    await until(lambda: "/api/x\\n2026-01-01 INFO" in http_server.log)  # it is written after the answer
    assert "\n2026-01-01 INFO" not in http_server.log
