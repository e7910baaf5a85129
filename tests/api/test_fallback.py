"""Another model in the place of one that cannot answer, and windows that are known, told, learnt or guessed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from tests.conftest import StartServer
from tests.support.client import Client, events, shown, turns
from tests.support.server_process import ServerProcess
from tests.support.servers.ports import free_port
from tests.support.upstream import DONE, FIN, HANG, RST, Answer, Request, Upstream, answer, chunk, raw, text
from tests.support.upstream import events as streamed
from tests.support.upstream_at import HELLO, UpstreamAt, base_url

FINISH = chunk(finish="stop")
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
COUNTED = streamed(text("Second here"), FINISH, chunk(usage=USAGE), DONE)


@dataclass
class Place:
    server: ServerProcess
    first: int
    second: int


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder, first, second = tmp_path_factory.mktemp("fallback"), free_port(), free_port()
    models = folder / "models.toml"
    models.write_text(
        f"""
[[model]]
id = "first"
base_url = "{base_url(first)}"
fallback = ["tiny", "second"]
[[model]]
id = "tiny"
name = "Tiny"
base_url = "{base_url(second)}"
context_tokens = 900
[[model]]
id = "second"
name = "The Second"
base_url = "{base_url(second)}"
prefill = "last"
[[model]]
id = "kimi-k2.6"
base_url = "{base_url(first)}"
"""
    )
    server = ServerProcess(
        folder, LIANHUA_MODELS=str(models), OPENAI_API_KEY="k", LIANHUA_RETRY_TIMEOUT_S="0", LIANHUA_TITLES="message"
    )
    yield Place(server, first, second)
    server.stop()
    server.kill()


@pytest.fixture
def alice(session: aiohttp.ClientSession, place: Place) -> Client:
    return Client(session, place.server.url, "alice")


def asked(upstream: Upstream) -> list[str]:
    return [request.json["model"] for request in upstream.requests if request.method == "POST"]


FAULTS = {
    "down": answer(503),
    "a limit": answer(429, Retry_After="3"),
    "a wrong key": answer(401),
    "unknown": answer(404),
    "a refusal": answer(400, {"error": {"message": "no"}}),
    "a reset": raw(RST),
    "nothing": streamed(FIN),
    "an error inside": answer(200, {"error": {"code": 503}}),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_the_next_model_answers_for_one_that_cannot(alice: Client, place: Place, fault: Answer) -> None:
    async with UpstreamAt(place.first, fault), UpstreamAt(place.second, COUNTED) as second:
        conversation = await alice.create()
        whole = await alice.say(conversation, "a question")
    assert (whole.text, whole.end["status"]) == ("Second here", "done")
    assert asked(second) == ["tiny"]
    assert [(notice["code"], notice["model"]) for notice in whole.notices] == [("fallback", "tiny")]
    assert "Tiny" in whole.notices[0]["message"]
    assert whole.turn["model"] == "first"
    assert (await alice.messages(conversation))[1]["model"] == "tiny"
    turn = await alice.get(f"{turns(conversation)}/{whole.turn['turn_id']}")
    assert (turn["model"], turn["attempts"]) == ("tiny", 2)
    assert turn["context"]["budget_tokens"] < 900
    spent = (await alice.get(f"/api/conversations/{conversation}"))["usage"]
    assert (spent["prompt_tokens"], spent["completion_tokens"]) == (7, 3)


async def test_one_after_another_is_asked_and_the_last_ones_fault_is_said(alice: Client, place: Place) -> None:
    async with UpstreamAt(place.first, answer(503)), UpstreamAt(place.second, answer(503), answer(401)) as second:
        whole = await alice.say(await alice.create(), "a question")
    assert asked(second) == ["tiny", "second"]
    assert [notice["code"] for notice in whole.notices] == ["fallback", "fallback"]
    assert (whole.end["status"], whole.end["code"]) == ("failed", "model_auth_failed")


@pytest.mark.parametrize("reason", ["content_filter", "tool_calls", "length", "OTHER"])
async def test_a_model_that_ends_without_a_word_is_none_that_answers(alice: Client, place: Place, reason: str) -> None:
    empty = streamed(chunk(finish=reason), DONE)
    async with UpstreamAt(place.first, empty), UpstreamAt(place.second, empty, HELLO) as second:
        whole = await alice.say(await alice.create(), "a question")
    assert (asked(second), whole.text) == (["tiny", "second"], "Hello")
    assert [notice["code"] for notice in whole.notices] == ["fallback", "fallback"]


async def test_the_second_of_three_may_find_the_prompt_too_long(alice: Client, place: Place) -> None:
    too_long = answer(400, {"error": {"message": "输入的上下文超过最大长度"}})
    async with UpstreamAt(place.first, answer(401)), UpstreamAt(place.second, too_long, HELLO) as second:
        whole = await alice.say(await alice.create(), "a question")
    assert (asked(second), whole.text) == (["tiny", "second"], "Hello")


async def test_a_model_whose_window_is_too_small_for_the_question_is_passed_over(alice: Client, place: Place) -> None:
    async with UpstreamAt(place.first, answer(503)), UpstreamAt(place.second, HELLO) as second:
        whole = await alice.say(await alice.create(), "长" * 1_200)
    assert (asked(second), whole.text) == (["second"], "Hello")


@pytest.mark.parametrize("piece", [text("so far"), chunk({"reasoning": "hm"})], ids=["text", "reasoning"])
async def test_after_the_first_piece_nobody_else_is_asked(alice: Client, place: Place, piece: bytes) -> None:
    async with UpstreamAt(place.first, streamed(piece, FIN)), UpstreamAt(place.second, HELLO) as second:
        whole = await alice.say(await alice.create(), "a question")
    assert second.requests == []
    assert whole.end["code"] == "model_unavailable"
    assert whole.notices == []


async def test_a_cut_reply_goes_on_with_another_model_in_its_own_way(alice: Client, place: Place) -> None:
    rest = streamed(text(" three."), FINISH, DONE)
    async with (
        UpstreamAt(place.first, streamed(text("One, two,"), FIN), answer(503)) as first,
        UpstreamAt(place.second, answer(503), rest) as second,
    ):
        conversation = await alice.create()
        cut = await alice.say(conversation, "count")
        begun = await alice.ask("POST", turns(conversation), {"continue": cut.turn["reply_message_id"]})
        whole = shown(await alice.read(events(conversation, begun.json["turn_id"])))
    assert whole.text == "One, two, three."
    assert first.requests[-1].json["messages"][-1]["role"] == "user"
    assert second.requests[-1].json["messages"][-1] == {"role": "assistant", "content": "One, two,"}


async def test_a_stop_meanwhile_ends_the_turn(alice: Client, place: Place) -> None:
    async with UpstreamAt(place.first, answer(503)), UpstreamAt(place.second, raw(HANG)) as second:
        conversation = await alice.create()
        turn = await alice.begin(conversation, "a question")
        await second.asked()
        assert (await alice.stop(conversation, turn))["status"] == "stopped"
        whole = shown(await alice.read(events(conversation, turn)))
    assert (whole.end["status"], len(second.requests)) == ("stopped", 1)


# Windows that are guesses


@pytest.mark.parametrize(
    "listed", [answer(404), answer(200, {"data": [{"id": "kimi-k2.6", "context_length": 262_144}]})]
)
async def test_a_long_paste_is_sent_where_the_window_is_a_guess(alice: Client, place: Place, listed: Answer) -> None:
    paste = "长长的文字。" * 4_834

    def answer_to(request: Request) -> Answer:
        return listed if request.method == "GET" else HELLO

    async with UpstreamAt(place.first, answer_to) as upstream:
        conversation = await alice.create(model="kimi-k2.6")
        whole = await alice.say(conversation, paste)
        assert whole.text == "Hello"
        assert upstream.requests[-1].json["messages"][-1]["content"] == paste


async def test_a_small_window_that_the_server_tells_is_kept_to_before_it_is_met(
    session: aiohttp.ClientSession, start_server: StartServer
) -> None:
    listed: Any = {"data": [{"id": "mine.gguf", "meta": {"n_ctx": 2_048, "n_ctx_train": 131_072}}]}
    long = streamed(text("word " * 300), FINISH, DONE)

    def answer_to(request: Request) -> Answer:
        return answer(200, listed) if request.method == "GET" else long

    async with Upstream(answer_to) as upstream:
        server = start_server(OPENAI_BASE_URL=upstream.base_url, OPENAI_API_KEY="k", OPENAI_MODEL="mine")
        client = Client(session, server.url, "alice")
        conversation = await client.create()
        for number in range(9):
            whole = await client.say(conversation, f"message {number}")
            assert whole.end["status"] == "done"
        sent = [request.json["messages"] for request in upstream.requests if request.method == "POST"]
        account = (await client.get(f"{turns(conversation)}/{whole.turn['turn_id']}"))["context"]
        (model,) = (await client.get("/api/models"))["models"]
    assert len(sent) == 9
    assert max(sum(len(message["content"]) // 5 for message in messages) for messages in sent) < 2_048
    assert account["used_tokens"] <= account["budget_tokens"] == 1_536
    assert model["context_tokens"] == 2_048
