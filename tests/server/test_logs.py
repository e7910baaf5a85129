"""Lines of the log: what they are, which request they belong to, and what is in none of them."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import SCRIPT
from tests.support.client import Client, events, turns
from tests.support.server_process import ServerProcess
from tests.support.waiting import until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One that logs JSON and believes a proxy on this machine."""
    server = ServerProcess(
        tmp_path_factory.mktemp("logging"),
        LIANHUA_SCRIPT=str(SCRIPT),
        LIANHUA_LOG_FORMAT="json",
        LIANHUA_TRUSTED_PROXIES="127.0.0.1",
    )
    yield server
    server.stop()
    server.kill()


@pytest.fixture
def carol(alice: Client, server: ServerProcess) -> Client:
    return alice.at(server.url)


def lines_of(server: ServerProcess) -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in server.log.splitlines(keepends=True) if line.startswith("{") and line[-1] == "\n"
    ]


def messages_of(server: ServerProcess, request_id: str) -> list[str]:
    return [line["message"] for line in lines_of(server) if line.get("request_id") == request_id]


async def test_the_proxys_id_is_on_every_line_of_a_request_and_of_its_turn(
    carol: Client, server: ServerProcess
) -> None:
    conversation = await carol.create()
    answer = await carol.ask(
        "POST", turns(conversation), {"message": "hello", "role": "teacher"}, {"X-Request-ID": "from-the-proxy:1/a=b"}
    )
    assert answer.headers["X-Request-ID"] == "from-the-proxy:1/a=b"
    turn = answer.json["turn_id"]
    await carol.read(events(conversation, turn))

    def is_logged() -> bool:
        said = messages_of(server, "from-the-proxy:1/a=b")
        access = any(re.fullmatch(rf"POST {turns(conversation)} 202 [0-9.]+ ms", line) for line in said)
        return access and any(line.startswith(f"turn {turn}: done, ") for line in said)

    await until(is_logged)
    for line in lines_of(server):
        assert {"time", "level", "logger", "message", "pid"} <= line.keys()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["time"])


@pytest.mark.parametrize("brought", ["", "two words", "x" * 129, 'quote"', "ä"])
async def test_an_id_that_is_none_is_replaced(carol: Client, brought: str) -> None:
    answer = await carol.ask("GET", "/api/nowhere", None, {"X-Request-ID": brought})
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["X-Request-ID"])
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]


async def test_nobody_but_a_trusted_proxy_names_a_request(alice: Client) -> None:
    answer = await alice.ask("GET", "/api/nowhere", None, {"X-Request-ID": "mine"})
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["X-Request-ID"])


async def test_every_refusal_names_its_request(carol: Client, server: ServerProcess) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    refusals = [
        await carol.ask("GET", f"/api/conversations/{unknown}"),
        await carol.ask("POST", "/api/conversations", {"title": 5}),
        await carol.ask("POST", "/api/conversations", {}, {"Sec-Fetch-Site": "cross-site"}),
        await carol.ask("PUT", "/api/conversations"),
        await carol.ask("POST", "/api/conversations", b"x" * 300_000),
    ]
    assert [answer.status for answer in refusals] == [404, 422, 403, 405, 413]
    ids = [answer.json["request_id"] for answer in refusals]
    assert ids == [answer.headers["X-Request-ID"] for answer in refusals]
    assert len(set(ids)) == len(ids)
    await until(lambda: all(messages_of(server, request_id) for request_id in ids))


async def test_no_line_holds_a_text_a_cookie_or_a_query(carol: Client, server: ServerProcess) -> None:
    conversation = await carol.create(title="sesame-title")
    await carol.say(conversation, "sesame-message")
    await carol.ask("GET", "/api/conversations", None, {"Cookie": "lianhua_uid=sesame-cookie"}, q="sesame-query")
    last = await carol.ask("GET", "/healthz", None, {"Authorization": "Bearer sesame-key"})
    await until(lambda: messages_of(server, last.headers["X-Request-ID"]))
    assert "sesame" not in server.log
