"""The server behind real proxies as Debian ships them, with the lines of docs/proxies.md."""

import asyncio
import contextlib
import io
import itertools
import json
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.proxies.deployment import KEPT_PATH, STRIPPED_PATH, Deployment, client_of, curl
from tests.proxies.programs import NAME, PROXIES, Proxy
from tests.proxies.quick_heart import HEARTBEAT_S
from tests.support.client import Client, Frame, events, shown, text_of
from tests.support.puppet_model import Reply
from tests.support.stillness import Stopwatch, Took
from tests.support.waiting import HANGS_S

PIECES = 16
# HAProxy 2.6 as shipped holds every piece for 105 ms at least; a busy machine now and then is later than this too.
AT_ONCE_S = 0.05
SCALE = 15 / HEARTBEAT_S
SHORTEST_PATIENCE_S = 50 / SCALE  # HAProxy's time-outs as shipped; nginx has 60 s, Apache 300 s
QUIET_S = 2.5 * SHORTEST_PATIENCE_S
IMPORT_BYTES = 3_000_000
_numbers = itertools.count(1)

Read = Callable[[], Awaitable[bytes]]


@pytest.fixture
async def client(proxy: Proxy) -> AsyncIterator[Client]:
    async with client_of(proxy.url, f"anna-{next(_numbers)}") as client:
        yield client


async def ask(deployment: Deployment, client: Client, message: str = "hello") -> tuple[str, str, Reply]:
    """A conversation, a turn in it and its reply, of which nothing has been said yet."""
    conversation = await client.create()
    turn = await client.begin(conversation, message)
    return conversation, turn, await asyncio.to_thread(deployment.model.next_reply)


async def say(deployment: Deployment, client: Client, text: str) -> str:
    """What a whole turn shows."""
    conversation, turn, reply = await ask(deployment, client)
    reply.say(text)
    reply.end()
    return shown(await client.read(events(conversation, turn))).text


# Streams


@asynccontextmanager
async def reading(proxy: Proxy, client: Client, path: str, way: str) -> AsyncIterator[Read]:
    """The bytes of a stream as they come to a client."""
    if way == "HTTP/2":
        async with curl(proxy, f"{path}?user_id={client.user}", "--fail") as lines:
            yield lambda: lines.read(65_536)
    else:
        async with client.at(proxy.plain_url if way == "plain" else proxy.url).stream(path) as stream:
            yield stream.content.readany


@pytest.mark.parametrize("way", ["plain", "TLS", "HTTP/2"])
async def test_no_piece_is_held_back(deployment: Deployment, proxy: Proxy, client: Client, way: str) -> None:
    conversation, turn, reply = await ask(deployment, client)
    late: list[Took] = []
    read = b""
    async with asyncio.timeout(HANGS_S), reading(proxy, client, events(conversation, turn), way) as read_on:
        while b"event: turn" not in read:
            read += await read_on()
        for number in range(PIECES):
            # Nothing more is said before this one is there: what is held until more comes would be held for ever.
            said = Stopwatch()
            reply.say(f"<{number}>")
            while f"<{number}>".encode() not in read:
                read += await read_on()
            late.append(said.took())
        reply.end()
        while b"event: end" not in read:
            read += await read_on()
    assert sum(took.within(AT_ONCE_S) for took in late) > PIECES // 4, late


async def test_the_client_has_http_2(proxy: Proxy) -> None:
    async with curl(proxy, "/roles", "--output", "/dev/null", "--write-out", "%{http_version} %{http_code}") as out:
        assert await out.read() == b"2 200"


async def test_a_quiet_stream_lives(deployment: Deployment) -> None:
    """Time runs `SCALE` times as fast: heartbeats and the shortest of the time-outs alike."""

    async def watch(kind: type[Proxy]) -> list[Frame]:
        with deployment.proxy(kind, SHORTEST_PATIENCE_S) as proxy:
            async with client_of(proxy.url, "quiet") as client:
                return await client.read(events(conversation, turn), patience_s=120)

    async with client_of(f"http://127.0.0.1:{deployment.port}", "quiet") as direct:
        conversation, turn, reply = await ask(deployment, direct)
        reply.say("First. ")
        watched = [asyncio.create_task(watch(kind)) for kind in PROXIES]
        await asyncio.sleep(QUIET_S)
        reply.say("Last.")
        reply.end()
        texts = [shown(frames).text for frames in await asyncio.gather(*watched)]
    assert texts == ["First. Last."] * len(PROXIES)


async def test_a_stream_that_the_proxy_cuts_goes_on(deployment: Deployment, proxy: Proxy, client: Client) -> None:
    conversation, turn, reply = await ask(deployment, client)
    asked = len(deployment.model.replies)
    async with client.stream(events(conversation, turn)) as stream:
        reply.say("before ")
        seen = await stream.until(lambda frames: text_of(frames) == "before ")
        await asyncio.to_thread(proxy.stop)
        with contextlib.suppress(aiohttp.ClientError):
            seen += [frame async for frame in stream]
    assert "end" not in [frame.name for frame in seen]
    reply.say("during ")
    await asyncio.to_thread(proxy.start)
    async with client.stream(events(conversation, turn), last_event_id=seen[-1].id) as stream:
        reply.say("after")
        reply.end()
        rest = await stream.until(lambda frames: frames[-1].name == "end")
    assert shown(seen + rest).text == "before during after"
    assert len(deployment.model.replies) == asked


async def test_a_server_that_starts_again_is_reached_at_once(deployment: Deployment) -> None:
    await asyncio.to_thread(deployment.stop_server)
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(client_of(proxy.url, "anna")) for proxy in deployment.proxies.values()
        ]
        away = await asyncio.gather(*(client.ask("GET", "/roles") for client in clients for _ in range(3)))
        assert {answer.status for answer in away} <= {502, 503}
        await asyncio.to_thread(deployment.start_server)
        assert [(await client.ask("POST", "/api/chat/start")).status for client in clients] == [200] * len(clients)


# Who asks


async def test_the_pages_own_requests_pass_and_no_others(deployment: Deployment, proxy: Proxy, client: Client) -> None:
    for url in (proxy.url, proxy.plain_url):  # on plain http a browser says no more than this
        own = await client.at(url).ask("POST", "/api/chat/start", headers={"Origin": url})
        assert own.status == 200
    for origin in (
        "https://evil.example",
        f"https://{NAME}.evil.example",
        f"http://127.0.0.1:{deployment.port}",
        "null",
    ):
        refused = await client.ask("POST", "/api/chat/start", headers={"Origin": origin})
        assert refused.problem == (403, "cross_site")
    # No client makes itself somebody else by what only a proxy may say.
    for forged in (
        {"X-Forwarded-Host": "evil.example"},
        {"Forwarded": "host=evil.example"},
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-For": "127.0.0.1"},
    ):
        refused = await client.ask("POST", "/api/chat/start", headers={"Origin": "https://evil.example", **forged})
        assert refused.problem == (403, "cross_site")


async def test_the_cookie_is_for_https_and_for_the_path(proxy: Proxy) -> None:
    async with client_of(proxy.url, None) as nobody:
        forged = {"X-Forwarded-Proto": "http", "X-Forwarded-Prefix": "/evil"}
        cookies = {
            path: (await nobody.ask("POST", f"{path}/chat/start", headers=forged)).headers["Set-Cookie"]
            for path in (KEPT_PATH, STRIPPED_PATH)
        }
    for path, cookie in cookies.items():
        assert re.fullmatch(
            rf"lianhua_uid\.{path[1:]}=[\w-]{{22}}; Path={path}; Max-Age=\d+; HttpOnly; SameSite=Lax; Secure", cookie
        )


# Sizes


@pytest.mark.parametrize("characters", [850, 7_000])
async def test_a_long_message_may_be_in_the_address(
    deployment: Deployment, proxy: Proxy, client: Client, characters: int
) -> None:
    conversation = await client.create()
    async with client.stream("/api/chat/stream", session_id=conversation, message="莲" * characters) as stream:
        reply = await asyncio.to_thread(deployment.model.next_reply)
        assert reply.messages[-1]["content"] == "莲" * characters
        reply.say("long")
        reply.end()
        assert shown([frame async for frame in stream]).text == "long"


async def test_too_long_an_address_is_refused(proxy: Proxy, client: Client) -> None:
    conversation = await client.create()
    answer = await client.ask("GET", "/api/chat/stream", session_id=conversation, message="莲" * 8_000)
    assert answer.status in (400, 414, 431)
    assert await client.messages(conversation) == []


async def test_a_file_of_megabytes_can_be_imported(client: Client) -> None:
    times = {"created_at": 1.0, "updated_at": 1.0}
    conversations = [
        {"id": str(uuid.uuid4()), "title": "large", "titled": "user", "role": "assistant", **times, "current": "m",
         "branches": [[None, -1, 0]],
         "messages": [{"id": "m", "role": "user", "content": "x" * 30_000, "timestamp": 1.0}]}
        for _ in range(IMPORT_BYTES // 30_000)
    ]  # fmt: skip
    file = json.dumps(
        {"format": "lianhua", "version": 1, "settings": {}, "personas": [], "conversations": conversations}
    )
    answer = await client.ask(
        "POST", f"{KEPT_PATH}/api/import", io.BytesIO(file.encode()), {"Content-Type": "application/json"}
    )
    assert answer.status == 200, answer.body
    assert answer.json["imported"]["conversations"] == len(conversations)


# Below a path


@pytest.mark.parametrize("path", [KEPT_PATH, STRIPPED_PATH])
async def test_everything_works_below_a_path(deployment: Deployment, proxy: Proxy, client: Client, path: str) -> None:
    """Whether the proxy leaves it on or takes it off."""
    below = client.at(proxy.url + path)
    bare = await client.ask("GET", path)
    if bare.status != 200:  # else the session has followed
        assert bare.headers["Location"]
    html = await below.ask("GET", "/")
    assert html.headers["Content-Type"].startswith("text/html")
    for address in re.findall(r'(?:src|href)="\./([^"]+)"', html.body.decode()):
        assert (await below.ask("GET", f"/{address}")).status == 200
    assert (await below.get("/openapi.json"))["servers"][0]["url"] == path
    assert (await below.ask("HEAD", "/")).status == 200

    conversation = await below.create()
    answer = await below.send(conversation, "hello")
    reply = await asyncio.to_thread(deployment.model.next_reply)
    reply.say("below a path")
    reply.end()
    assert answer.json["events_url"] == path + events(conversation, answer.json["turn_id"])
    assert shown(await client.read(answer.json["events_url"])).text == "below a path"
