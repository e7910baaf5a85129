"""What is answered without the framework is what the framework's own routes answer: each request is made in the plain
way and, with a parameter twice that nobody looks at, in one that only the framework takes.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp
import pytest
from yarl import URL

from tests.support.client import Client
from tests.support.server_process import ServerProcess

NOBODYS = "84dfe840-8885-4410-b0ef-18b4de334e76"


class Request(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str] = {}
    body: str | None = None


def of_turns(body: str, **headers: str) -> Request:
    named = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("POST", "/api/conversations/{own}/turns?user_id=ann", named, body)


REQUESTS = [
    Request("POST", "/chat/start?user_id=ann"),
    Request("POST", "/api/chat/start?user_id=ann&role=teacher", {"Accept-Language": "en;q=0.5, zh;q=0.4"}),
    Request("POST", "/chat/start?user_id=ann", {"Accept-Language": "fr, *"}),
    Request("POST", "/chat/start?user_id=ann&role="),
    Request("POST", "/chat/start?user_id=ann&role=nobody"),
    Request("POST", "/chat/start?user_id=ann&role=" + "x" * 201),
    Request("POST", "/chat/start?user_id=ann&role=a%01b"),
    Request("POST", "/chat/start?user_id=a%20b"),
    Request("POST", "/chat/start?user_id="),
    Request("POST", "/chat/start"),
    Request("POST", "/chat/start?user_id=ann", {"Sec-Fetch-Site": "cross-site"}),
    Request("POST", "/chat/start?user_id=ann", {"Content-Type": "text/plain"}, "what is this"),
    Request("GET", "/chat/stream?user_id=ann"),
    Request("GET", "/chat/stream?user_id=ann&message=hello"),
    Request("GET", "/chat/stream?user_id=ann&session_id=1&message=hello"),
    Request("GET", "/chat/stream?user_id=ann&session_id={own}"),
    Request("GET", "/chat/stream?user_id=ann&session_id={own}&message="),
    Request("GET", "/chat/stream?user_id=ann&session_id={own}&message=%00"),
    Request("GET", "/chat/stream?user_id=ann&session_id={own}&message=%ff"),
    Request("GET", "/chat/stream?user_id=ann&session_id={own}&message=hello&turn_key=a%20b"),
    Request("GET", "/chat/stream?user_id=ann&session_id={own}&message=hello&role=nobody"),
    Request("GET", "/chat/stream?user_id=ann&session_id=" + NOBODYS + "&message=hello"),
    Request("GET", "/chat/stream?user_id=bob&session_id={own}&message=hello"),
    Request("GET", "/chat/stream?user_id=ann&session_id={own}&message=hello", {"Sec-Fetch-Site": "same-site"}),
    Request("GET", "/chat/stream?user_id=ann&session_id={own}&message=hello", {"Origin": "http://elsewhere.example"}),
    Request("GET", "/chat/stream?user_id=ann&session_id={own}", {"Last-Event-ID": "x:1-1"}),
    Request("HEAD", "/chat/stream?user_id=ann&session_id={own}&message=hello"),
    of_turns('{"message": ""}'),
    of_turns('{"message": "a\\u0000b"}'),
    of_turns('{"message": "\\ud800"}'),
    of_turns('{"message": 1}'),
    of_turns('{"message": "hello", "more": 1}'),
    of_turns('{"message": "hello", "role": ""}'),
    of_turns('{"message": "hello", "role": "nobody"}'),
    of_turns('{"message": "hello", "model": "nobody"}'),
    of_turns('{"message": "hello", "parent_id": "nobody"}'),
    of_turns('{"message": "hello", "parent_id": "' + "x" * 201 + '"}'),
    of_turns('{"message": "' + "x" * 100_000 + '"}'),
    of_turns('{"message": "hello"'),
    of_turns("[]"),
    of_turns('{"message": "hello"}', Content_Type="text/plain"),
    of_turns('{"message": "hello"}', Idempotency_Key="x" * 201),
    of_turns('{"message": "hello"}', Idempotency_Key=" "),
    of_turns('{"message": "hello"}', Sec_Fetch_Site="cross-site"),
    Request("POST", "/api/conversations/{own}/turns?user_id=ann", {"Content-Type": "application/json"}),
    Request("POST", f"/api/conversations/{NOBODYS}/turns?user_id=ann", {"Content-Type": "application/json"}, "{}"),
    of_turns('{"message": "hello"}')._replace(path=f"/api/conversations/{NOBODYS}/turns?user_id=ann"),
    of_turns('{"message": "hello"}')._replace(path="/api/conversations/1/turns?user_id=ann"),
    Request("GET", "/api/conversations/{own}/turns/ab/events?user_id=ann"),
    Request("GET", "/api/conversations/{own}/turns/{turn}/events?user_id=bob"),
    Request("GET", "/api/conversations/{own}/turns/{turn}/events?user_id=ann&after=nothing"),
    Request("GET", "/api/conversations/{own}/turns/xyz/events?user_id=ann"),
    Request("GET", f"/api/conversations/{NOBODYS}/turns/ab/events?user_id=ann"),
    Request("DELETE", "/chat/stream?user_id=ann"),
]


@pytest.fixture(scope="module")
def ids() -> dict[str, str]:
    """Filled by the first test that asks."""
    return {}


@pytest.mark.parametrize(
    "request_", REQUESTS, ids=lambda each: f"{each.method} {each.path[:60]} {each.body or ''}"[:90]
)
async def test_both_ways_answer_the_same(
    http_server: ServerProcess, session: aiohttp.ClientSession, ids: dict[str, str], request_: Request
) -> None:
    if not ids:
        ann = Client(session, http_server.url, "ann")
        ids["own"] = await ann.create()
        ids["turn"] = (await ann.say(ids["own"], "hello")).turn["turn_id"]
    plain, framed = [await _answer(session, http_server.url, request_, ids, more) for more in ("", "&x=1&x=1")]
    assert plain == framed


async def _answer(
    session: aiohttp.ClientSession, url: str, request_: Request, ids: dict[str, str], more: str
) -> tuple[int, dict[str, str], Any]:
    path = request_.path.replace("{own}", ids["own"]).replace("{turn}", ids["turn"])
    path += more if "?" in path else more.replace("&", "?", 1)
    asked = session.request(
        request_.method,
        URL(url + path, encoded=True),
        headers=request_.headers,
        data=request_.body,
        allow_redirects=False,
    )
    async with asked as answer:
        body = await answer.read()
        headers = {name.lower(): value for name, value in answer.headers.items()}
    for name in ("date", "content-length", "x-request-id"):
        headers.pop(name, None)
    if cookie := headers.get("set-cookie"):
        headers["set-cookie"] = re.sub(r"=[A-Za-z0-9_-]{22};", "=…;", cookie)
    return answer.status, headers, _without_ids(body, headers.get("content-type", ""))


def _without_ids(body: bytes, kind: str) -> Any:
    """What is the same each time."""
    if "json" not in kind or not body:
        return kind
    found = json.loads(body)
    for name in (
        "request_id",
        "session_id",
        "turn_id",
        "user_message_id",
        "reply_message_id",
        "events_url",
        "running_turn_id",
    ):
        if name in found:
            found[name] = "…"
    return found
