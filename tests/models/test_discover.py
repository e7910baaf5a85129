"""Finding a model server on this machine, among real sockets."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from lianhua.models.discover import LOCAL_SERVERS, FoundServer, find_local_server, first_chat_model
from tests.support.stillness import Stopwatch
from tests.support.upstream import FIN, HANG, RST, Answer, Upstream, answer, events, raw


def models(*ids: str) -> Answer:
    return answer(200, {"object": "list", "data": [{"id": model, "object": "model", "owned_by": "x"} for model in ids]})


async def found_among(*scripts: Answer | None, timeout_s: float = 2.0) -> tuple[str, str] | None:
    """The name of the server that was found, and its model. None in `scripts` is a port where nobody listens."""
    async with AsyncExitStack() as stack:
        servers = []
        for name, script in zip("abc", scripts, strict=False):
            if script is None:
                server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
                port = server.sockets[0].getsockname()[1]
                server.close()
                await server.wait_closed()
            else:
                port = (await stack.enter_async_context(Upstream(script))).port
            servers.append((name, port))
        found = await find_local_server(timeout_s, servers)
        if found is not None:
            assert found.base_url == f"http://127.0.0.1:{dict(servers)[found.name]}/v1"
        return (found.name, found.model) if found else None


async def test_a_server_is_asked_for_its_models_and_found() -> None:
    async with Upstream(models("qwen3:8b")) as upstream:
        found = await find_local_server(2, [("Ollama", upstream.port)])
        assert found == FoundServer("Ollama", upstream.base_url, "qwen3:8b")
        (request,) = upstream.requests
    assert (request.method, request.path, request.body) == ("GET", "/v1/models", b"")
    assert "authorization" not in request.headers


async def test_the_first_of_several_wins_however_late_it_answers() -> None:
    gate = asyncio.Event()
    late = Answer(models("m1").head, (gate, *models("m1").steps))
    asyncio.get_running_loop().call_later(0.1, gate.set)
    assert await found_among(late, models("m2"), models("m3")) == ("a", "m1")


async def test_where_nobody_answers_none_is_found() -> None:
    assert await found_among(None, None, None) is None


USELESS = {
    "nobody listens": None,
    "not found": answer(404),
    "unauthorised": answer(401, {"data": [{"id": "m"}]}),
    "a redirect": answer(302, Location="http://127.0.0.1:1/"),
    "HTML": answer(200, "<html>"),
    "other JSON": answer(200, {"models": []}),
    "a list": answer(200, "[]"),
    "no models": models(),
    "an id that is no text": answer(200, {"data": [{"id": 7}]}),
    "no model to chat with": models("nomic-embed-text", "text-embedding-3-small"),
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.9\r\n", FIN),
    "a close": raw(FIN),
    "a reset": raw(RST),
    "broken chunks": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", FIN),
    "a cut body": events(b'{"data": [{"id": "m"}', FIN),
    "broken UTF-8": answer(200, b'{"data": [{"id": "\xff"}]}'),
    "JSON that is too deep": answer(200, b'{"data": ' + b"[" * 100_000),
    "too large a body": events(*[b" " * 65_536] * 8, b'{"data": [{"id": "m"}]}'),
}


@pytest.mark.parametrize("script", USELESS.values(), ids=USELESS.keys())
async def test_what_is_no_model_server_is_passed_over(script: Answer | None) -> None:
    assert await found_among(script, models("m")) == ("b", "m")


@pytest.mark.parametrize("script", [raw(HANG), events(HANG), events(b'{"data":', HANG)])
async def test_silent_servers_cost_no_more_than_the_time_limit(script: Answer) -> None:
    watch = Stopwatch()
    assert await found_among(script, models("m"), script, timeout_s=0.2) == ("b", "m")
    assert watch.s >= 0.2
    assert watch.within(5), watch.took()


async def test_redirects_are_not_followed() -> None:
    async with Upstream(models("m")) as elsewhere:
        assert await found_among(answer(302, Location=elsewhere.base_url + "/models")) is None
        assert not elsewhere.requests


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await found_among(models("m")) == ("a", "m")


@pytest.mark.parametrize(
    ("ids", "chosen"),
    [
        (["text-embedding-nomic-embed-text-v1.5", "qwen/qwen3-4b"], "qwen/qwen3-4b"),
        (["bge-m3:latest", "bge-reranker-v2-m3", "llama3.2:3b"], "llama3.2:3b"),
        (["whisper-large-v3", "kokoro-tts", "tts-1", "gpt-oss:20b"], "gpt-oss:20b"),
        (["all-minilm", "mxbai-embed-large", "jina-reranker"], None),
        (["BAAI/bge-large-zh"], None),
        (["big-ben-e5xyz", "other"], "big-ben-e5xyz"),
        (["", "m"], "m"),
        ([], None),
    ],
)
def test_models_that_cannot_chat_are_known_by_their_names(ids: list[str], chosen: Any) -> None:
    assert first_chat_model(ids) == chosen


def test_the_ports_are_the_documented_ones() -> None:
    assert LOCAL_SERVERS == (("Ollama", 11434), ("LM Studio", 1234), ("llama.cpp", 8080))
