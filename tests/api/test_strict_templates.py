"""Whatever becomes of a conversation, a server whose chat template is strict takes every prompt of it."""

import json
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from tests.support.client import Client, Shown, events, shown, text_of, turns
from tests.support.server_process import ServerProcess
from tests.support.servers.ports import free_port
from tests.support.strict_template import llama_cpp_error, refusal_of
from tests.support.upstream import DONE, FIN, HANG, Answer, Request, answer, chunk, text
from tests.support.upstream import events as streamed
from tests.support.upstream_at import UpstreamAt, base_url

FINISH = chunk(finish="stop")
SMALL_WINDOW_CHARS = 2_500
TALK = "6f1c1b0e-5a43-4b38-9d0b-0c7b6a5c7a11"
HANGING = "and so on "


FINE = streamed(text("fine"), FINISH, DONE)
# What becomes of a question, by its first word.
REPLIES = {
    "down": answer(503),
    "refuse": answer(400, {"error": {"message": "no"}}),
    "cut": streamed(text("so far"), FIN),
    "hang": streamed(text(HANGING), HANG),
    "silence": streamed(chunk({"reasoning": "hm"}), FINISH, DONE),
    "long": streamed(text("word " * 80), FINISH, DONE),
}


@dataclass
class Strict:
    """A llama.cpp whose templates are strict; what a question says is what becomes of its reply. `refused` has what it
    found wrong in prompts, but for a system role where there is none: that is to be learnt by asking once.
    """

    refused: list[str] = field(default_factory=list)
    prompts: list[list[dict[str, str]]] = field(default_factory=list)

    def __call__(self, request: Request) -> Answer:
        if request.method == "GET":
            return answer(404)
        body = request.json
        model, messages = body["model"], body["messages"]
        words = refusal_of(messages, system=model != "gemma", prefill=model == "prefilled")
        if words is not None:
            if not (model == "gemma" and messages[0]["role"] == "system"):
                self.refused.append(words)
            return answer(400, llama_cpp_error(words))
        self.prompts.append(messages)
        if model == "small" and sum(len(message["content"]) for message in messages[1:]) > SMALL_WINDOW_CHARS:
            said = "request (9000 tokens) exceeds the available context size (1024 tokens), try increasing it"
            return answer(400, {"error": {"code": 400, "message": said, "type": "exceed_context_size_error"}})
        return REPLIES.get(messages[-1]["content"].rpartition("\n\n")[2].split(maxsplit=1)[0], FINE)


@dataclass
class Place:
    server: ServerProcess
    port: int


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder, port = tmp_path_factory.mktemp("roles"), free_port()
    models = folder / "models.toml"
    names = ("strict", "gemma", "prefilled", "small")
    prefill = {"prefilled": 'prefill = "last"\n'}
    models.write_text(
        "\n".join(f'[[model]]\nid = "{name}"\nbase_url = "{base_url(port)}"\n{prefill.get(name, "")}' for name in names)
    )
    server = ServerProcess(
        folder, LIANHUA_MODELS=str(models), OPENAI_API_KEY="k", LIANHUA_RETRY_TIMEOUT_S="0", LIANHUA_TITLES="message"
    )
    yield Place(server, port)
    server.stop()
    server.kill()


@pytest.fixture
async def strict(place: Place) -> AsyncIterator[Strict]:
    strict = Strict()
    async with UpstreamAt(place.port, strict):
        yield strict
    assert strict.refused == []


@pytest.fixture
def alice(session: aiohttp.ClientSession, place: Place, strict: Strict) -> Client:
    return Client(session, place.server.url, "alice")


async def act(client: Client, conversation: str, **body: Any) -> Shown:
    """A turn to its end; one that hangs is stopped once something of it was seen."""
    begun = await client.ask("POST", turns(conversation), body)
    assert begun.status == 202, begun.body
    turn = begun.json["turn_id"]
    async with client.stream(events(conversation, turn)) as stream:
        frames = await stream.until(lambda frames: frames[-1].name == "end" or text_of(frames).endswith(HANGING))
        if frames[-1].name != "end":
            await client.stop(conversation, turn)
        return shown(frames + [frame async for frame in stream])


def contents(messages: list[dict[str, str]]) -> list[str]:
    return [message["content"] for message in messages[1:]]


async def test_a_dialogue_longer_than_the_window_begins_with_a_question(alice: Client, strict: Strict) -> None:
    conversation = await alice.create()
    for number in range(14):
        assert (await act(alice, conversation, message=f"say {number}")).end["status"] == "done"
    assert [len(messages) - 1 for messages in strict.prompts[8:]] == [17, 19, 13, 15, 17, 19]


@pytest.mark.parametrize("fault", ["down", "refuse", "silence"])
async def test_a_question_that_was_not_answered_poisons_nothing(alice: Client, strict: Strict, fault: str) -> None:
    conversation = await alice.create()
    await act(alice, conversation, message="say one")
    assert (await act(alice, conversation, message=f"{fault} please")).text == ""
    whole = await act(alice, conversation, message="say two")
    assert whole.end["status"] == "done"
    assert contents(strict.prompts[-1]) == ["say one", "fine", f"{fault} please\n\nsay two"]
    account = (await alice.get(f"{turns(conversation)}/{whole.turn['turn_id']}"))["context"]
    assert [entry["reason"] for entry in account["messages"]] == [
        "persona", "fits", "fits", "fits", "empty", "last_message",
    ]  # fmt: skip


async def test_a_question_asked_while_the_server_was_away_poisons_nothing(
    session: aiohttp.ClientSession, place: Place
) -> None:
    alice, strict = Client(session, place.server.url, "alice"), Strict()
    conversation = await alice.create()
    assert (await act(alice, conversation, message="say one")).end["code"] == "model_unavailable"
    async with UpstreamAt(place.port, strict):
        assert (await act(alice, conversation, message="say two")).end["status"] == "done"
        assert (await act(alice, conversation, message="say three")).end["status"] == "done"
    assert contents(strict.prompts[-1]) == ["say one\n\nsay two", "fine", "say three"]
    assert strict.refused == []


async def test_an_imported_talk_with_replies_in_a_row_is_taken(alice: Client, strict: Strict) -> None:
    said = [
        ("assistant", "Welcome"),
        ("assistant", "How?"),
        ("user", "look"),
        ("assistant", "I look"),
        ("assistant", "It"),
    ]
    talk = [
        {"id": f"i{place}", "role": role, "content": content, "timestamp": 1.0, "depth": place}
        | ({"parent_id": f"i{place - 1}"} if place else {})
        for place, (role, content) in enumerate(said)
    ]
    conversation = {
        "id": TALK, "title": "t", "titled": "user", "role": "assistant", "created_at": 1.0, "updated_at": 1.0,
        "current": "i4", "branches": [[None, -1, 4]], "messages": talk,
    }  # fmt: skip
    file = {"format": "lianhua", "version": 1, "settings": {}, "personas": [], "conversations": [conversation]}
    headers = {"Content-Type": "application/json"}
    imported = await alice.ask("POST", "/api/import", json.dumps(file).encode(), headers)
    assert imported.json["imported"]["messages"] == 5, imported.body
    assert (await act(alice, TALK, message="say more")).end["status"] == "done"
    assert [(message["role"], message["content"]) for message in strict.prompts[-1][2:]] == [
        ("assistant", "Welcome\n\nHow?"), ("user", "look"), ("assistant", "I look\n\nIt"), ("user", "say more"),
    ]  # fmt: skip


async def test_the_smaller_second_try_begins_with_a_question_too(alice: Client, strict: Strict) -> None:
    conversation = await alice.create(model="small")
    for number in range(10):
        whole = await act(alice, conversation, message=f"long {number}")
        assert whole.end["status"] == "done"
    assert any(len(after) < len(before) for before, after in zip(strict.prompts, strict.prompts[1:], strict=False))
    shown_models = (await alice.get("/api/models"))["models"]
    assert {model["id"]: model["context_tokens"] for model in shown_models}["small"] == 1_024


async def test_a_model_without_a_system_role_is_asked_once_and_then_known(alice: Client, strict: Strict) -> None:
    conversation = await alice.create(model="gemma", role="teacher")
    for _ in range(2):
        assert (await act(alice, conversation, message="say it")).end["status"] == "done"
    prompt = (await alice.get("/roles"))["roles"]["teacher"]["prompt"]
    assert strict.prompts[-1][0] == {"role": "user", "content": f"{prompt.strip()}\n\nsay it"}


@pytest.mark.parametrize("model", ["strict", "gemma", "prefilled"])
async def test_a_cut_reply_goes_on_at_a_strict_template(alice: Client, strict: Strict, model: str) -> None:
    conversation = await alice.create(model=model)
    cut = await act(alice, conversation, message="cut it")
    assert cut.end["status"] == "interrupted"
    whole = await act(alice, conversation, **{"continue": cut.turn["reply_message_id"]})
    assert whole.text.startswith("so far")
    assert strict.prompts[-1][-1]["role"] == ("assistant" if model == "prefilled" else "user")


async def test_a_server_that_refuses_a_prefill_is_asked_to_go_on(session: aiohttp.ClientSession, place: Place) -> None:
    alice = Client(session, place.server.url, "alice")

    def thinking(request: Request) -> Answer:
        messages = request.json["messages"]
        if refusal := refusal_of(messages):
            return answer(500, {"error": {"code": 500, "message": refusal, "type": "server_error"}})
        return streamed(text("so far and on"), FINISH, DONE) if len(messages) > 2 else streamed(text("so far"), FIN)

    async with UpstreamAt(place.port, thinking) as upstream:
        conversation = await alice.create(model="prefilled")
        cut = await act(alice, conversation, message="cut it")
        for asked in (2, 1):  # once more for the refusal, and then it is known
            before = len(upstream.requests)
            whole = await act(alice, conversation, **{"continue": cut.turn["reply_message_id"]})
            assert (whole.text, whole.end["status"]) == ("so far and on", "done")
            assert len(upstream.requests) - before == asked


async def test_a_question_that_is_refused_for_what_it_says_takes_no_other_along(
    session: aiohttp.ClientSession, place: Place
) -> None:
    alice = Client(session, place.server.url, "alice")

    def moderated(request: Request) -> Answer:
        refused = any("poison" in message["content"] for message in request.json["messages"])
        return answer(400, {"error": {"message": "content policy", "code": "content_filter"}}) if refused else FINE

    async with UpstreamAt(place.port, moderated) as upstream:
        conversation = await alice.create()
        assert (await act(alice, conversation, message="say one")).end["status"] == "done"
        assert (await act(alice, conversation, message="poison")).end["code"] == "model_refused"
        assert len(upstream.requests) == 2
        whole = await act(alice, conversation, message="say two")
        assert (whole.end["status"], [notice["code"] for notice in whole.notices]) == ("done", ["unanswered_left_out"])
        assert len(upstream.requests) == 4
        whole = await act(alice, conversation, message="say three")
        assert (whole.end["status"], whole.notices, len(upstream.requests)) == ("done", [], 5)
        sent = upstream.requests[-1].json["messages"]
    assert contents(sent) == ["say one", "fine", "say two", "fine", "say three"]
    account = (await alice.get(f"{turns(conversation)}/{whole.turn['turn_id']}"))["context"]
    assert [entry["reason"] for entry in account["messages"]].count("unanswered") == 1


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_users_do_no_prompt_is_refused(alice: Client, strict: Strict, seed: int) -> None:
    chance = random.Random(seed)
    conversation = await alice.create(model=chance.choice(["strict", "gemma"]))
    await act(alice, conversation, message="say first")
    for number in range(30):
        kept = await alice.messages(conversation)
        replies = [message for message in kept if message["role"] == "assistant"]
        questions = [message for message in kept if message["role"] == "user"]
        with_text = [message for message in replies if message["content"]]
        word = chance.choice(["say", "say", "long", "down", "refuse", "cut", "hang", "silence"])
        deed = chance.choice(["send", "send", "send", "retry", "edit", "continue", "pin", "turn", "send below"])
        path = f"/api/conversations/{conversation}"
        match deed:
            case "retry":
                await act(alice, conversation, retry=chance.choice([*replies, *questions])["id"])
            case "edit":
                await act(alice, conversation, edit=chance.choice(questions)["id"], message=f"{word} {number}")
            case "continue" if with_text:
                await act(alice, conversation, **{"continue": chance.choice(with_text)["id"]})
            case "pin":
                await alice.ask(
                    "PATCH", f"{path}/messages/{chance.choice(kept)['id']}", {"pinned": chance.random() < 0.7}
                )
            case "turn":
                await alice.ask("PATCH", f"{path}/branch", {"message_id": chance.choice(kept)["id"]})
            case "send below":
                await act(alice, conversation, message=f"{word} {number}", parent_id=chance.choice(kept)["id"])
            case _:
                await act(alice, conversation, message=f"{word} {number}")
        assert strict.refused == [], (number, deed)
