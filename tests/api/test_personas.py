"""Personas that people make for themselves."""

import re
from typing import Any

import aiohttp
import pytest

from tests.conftest import StartServer
from tests.support.client import Client
from tests.support.upstream import DONE, Upstream, chunk, events, text

POET = {
    "name": "诗人",
    "icon": "🖋️",
    "description": "writes verse",
    "prompt": "You are a poet.\nAnswer in verse.",
    "welcome": "你好，我是诗人。",
    "suggestions": ["雨", "a poem about rain"],
    "model": "scripted",
    "temperature": 0.9,
    "top_p": 0.5,
    "max_tokens": 64,
}
PATH = "/api/personas"


async def made(client: Client, **fields: Any) -> Any:
    answer = await client.ask("POST", PATH, {"name": "Poet", "prompt": "Answer in verse.", **fields})
    assert answer.status == 201, answer.body
    return answer.json


async def test_a_persona_of_ones_own_is_kept_as_it_was_made(alice: Client) -> None:
    persona = await made(alice, **POET)
    assert re.fullmatch(r"own-[0-9a-f]{10}", persona["id"])
    assert {name: persona[name] for name in POET} == POET
    assert persona["created_at"] == persona["updated_at"]
    assert await alice.get(f"{PATH}/{persona['id']}") == persona
    assert await alice.get(PATH) == {"personas": [persona]}


async def test_a_name_and_a_prompt_are_enough(alice: Client) -> None:
    persona = await made(alice)
    assert (persona["icon"], persona["description"], persona["welcome"], persona["suggestions"]) == ("💬", "", "", [])
    assert [persona[name] for name in ("model", "temperature", "top_p", "max_tokens")] == [None] * 4


async def test_a_change_leaves_the_rest_and_null_takes_a_choice_back(alice: Client) -> None:
    persona = await made(alice, **POET)
    path = f"{PATH}/{persona['id']}"
    changed = (await alice.ask("PATCH", path, {"name": "Dichter", "temperature": None, "suggestions": []})).json
    assert changed.pop("updated_at") > persona.pop("updated_at")
    assert changed == {**persona, "name": "Dichter", "temperature": None, "suggestions": []}
    for nullable in ("model", "top_p", "max_tokens"):
        assert (await alice.ask("PATCH", path, {nullable: None})).json[nullable] is None


async def test_one_that_was_deleted_is_gone(alice: Client) -> None:
    persona = await made(alice)
    path = f"{PATH}/{persona['id']}"
    assert (await alice.ask("DELETE", path)).status == 204
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        assert (await alice.ask(method, path, body)).problem == (404, "persona_not_found")
    assert await alice.get(PATH) == {"personas": []}


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_the_roles_are_the_servers_and_then_ones_own(alice: Client, prefix: str) -> None:
    first, second = await made(alice, **POET), await made(alice, name="Second")
    roles = (await alice.get(f"{prefix}/roles"))["roles"]
    assert list(roles) == ["assistant", "teacher", "programmer", first["id"], second["id"]]
    assert [role["own"] for role in roles.values()] == [False, False, False, True, True]
    shown = ("name", "icon", "description", "prompt", "welcome", "suggestions")
    assert {name: roles[first["id"]][name] for name in shown} == {name: POET[name] for name in shown}


async def test_who_only_reads_the_roles_is_given_no_cookie(alice: Client) -> None:
    stranger = alice.as_user(None)
    answer = await stranger.ask("GET", "/roles")
    assert "Set-Cookie" not in answer.headers
    assert list(answer.json["roles"]) == ["assistant", "teacher", "programmer"]

    cookie = (await stranger.ask("GET", PATH)).headers["Set-Cookie"].partition(";")[0]
    one = await stranger.ask("POST", PATH, {"name": "n", "prompt": "p"}, {"Cookie": cookie})
    assert "Set-Cookie" not in one.headers
    assert one.json["id"] in (await stranger.ask("GET", "/roles", headers={"Cookie": cookie})).json["roles"]
    assert one.json["id"] not in (await stranger.ask("GET", "/roles")).json["roles"]


# What it does


async def test_a_conversation_with_it_is_given_its_prompt_and_its_welcome(alice: Client) -> None:
    persona = await made(alice, **POET)
    for language in ("zh", "en"):
        began = await alice.ask("POST", "/chat/start", headers={"Accept-Language": language}, role=persona["id"])
        assert began.json["welcome_message"] == POET["welcome"]
    conversation = began.json["session_id"]
    whole = await alice.say(conversation, "hello")
    assert whole.end["usage"]["prompt_tokens"] == len(POET["prompt"]) + len("hello")
    reply = (await alice.messages(conversation))[-1]
    assert reply["persona"] == persona["id"]


async def test_its_model_and_its_numbers_reach_the_models_server(
    session: aiohttp.ClientSession, start_server: StartServer
) -> None:
    async with Upstream(events(text("fine"), chunk(finish="stop"), DONE)) as upstream:
        server = start_server(
            OPENAI_BASE_URL=upstream.base_url,
            OPENAI_API_KEY="k",
            LIANHUA_MODELS="big,small",
        )
        client = Client(session, server.url, "alice")
        numbers = {"temperature": 0.25, "top_p": 0.5, "max_tokens": 99}
        persona = await made(client, model="small", **numbers)
        theirs = await client.create(role=persona["id"])
        await client.say(theirs, "by its own model")
        await client.say(theirs, "by another one", model="big")
        mine = await client.create(role=persona["id"], model="big")
        await client.say(mine, "by the conversation's")
        plain = await client.create()
        await client.say(plain, "by nobody's")
        await client.say(plain, "a persona of this turn", role=persona["id"])
        sent = [request.json for request in upstream.requests]
    assert [body["model"] for body in sent] == ["small", "big", "big", "big", "small"]
    for body in (*sent[:3], sent[4]):
        assert body["messages"][0] == {"role": "system", "content": "Answer in verse."}
        assert {name: body[name] for name in numbers} == numbers
    assert not numbers.keys() & sent[3].keys()


async def test_a_change_counts_from_the_next_turn(alice: Client) -> None:
    persona = await made(alice, prompt="one")
    conversation = await alice.create(role=persona["id"])
    before = await alice.say(conversation, "hello")
    await alice.ask("PATCH", f"{PATH}/{persona['id']}", {"prompt": "eleven more"})
    cleared = await alice.create(role=persona["id"])
    after = await alice.say(cleared, "hello")
    assert after.end["usage"]["prompt_tokens"] - before.end["usage"]["prompt_tokens"] == len("eleven more") - len("one")


async def test_a_conversation_outlives_its_persona(alice: Client) -> None:
    persona = await made(alice, prompt="short")
    conversation = await alice.create(role=persona["id"])
    await alice.say(conversation, "one")
    await alice.ask("DELETE", f"{PATH}/{persona['id']}")
    whole = await alice.say(conversation, "two")
    assert whole.end["status"] == "done"
    assert (await alice.messages(conversation))[-1]["persona"] == "assistant"
    for body in ({"role": persona["id"]}, {"role": "own-0000000000"}):
        assert (await alice.ask("POST", "/api/conversations", body)).problem == (422, "unknown_role")


# Whose it is


async def test_another_users_persona_can_neither_be_read_nor_talked_with(alice: Client, bob: Client) -> None:
    hers = await made(alice, **POET)
    path = f"{PATH}/{hers['id']}"
    for method, body in (("GET", None), ("PATCH", {"name": "mine"}), ("DELETE", None)):
        foreign = await bob.ask(method, path, body)
        missing = await bob.ask(method, f"{PATH}/own-0123456789", body)
        assert foreign.problem == (404, "persona_not_found")
        assert foreign.nameless == missing.nameless

    conversation = await bob.create()
    as_role = [
        await bob.ask("POST", "/api/conversations", {"role": hers["id"]}),
        await bob.ask("POST", "/chat/start", role=hers["id"]),
        await bob.ask("PATCH", f"/api/conversations/{conversation}", {"role": hers["id"]}),
        await bob.send(conversation, "hello", role=hers["id"]),
        await bob.ask("GET", "/chat/stream", session_id=conversation, message="hello", role=hers["id"]),
        await bob.ask("PATCH", "/api/settings", {"default_role": hers["id"]}),
    ]
    assert [answer.problem for answer in as_role] == [(422, "unknown_role")] * len(as_role)
    assert hers["id"] not in (await bob.get("/roles"))["roles"]
    assert await alice.get(path) == hers


# What is refused


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""}, {"name": "  "}, {"name": "x" * 81}, {"name": None}, {"name": "a\u0000b"}, {"prompt": ""},
        {"prompt": "x" * 16_001}, {"prompt": " \n"}, {"prompt": None}, {"icon": ""}, {"icon": "x" * 17}, {"icon": None},
        {"description": "x" * 201}, {"welcome": "x" * 2_001}, {"suggestions": ["x"] * 7}, {"suggestions": ["x" * 201]},
        {"suggestions": [""]}, {"suggestions": None}, {"suggestions": "x"}, {"temperature": 2.1}, {"temperature": -0.1},
        {"temperature": "1"}, {"top_p": 0}, {"top_p": 1.01}, {"max_tokens": 15}, {"max_tokens": 1_000_001},
        {"max_tokens": 16.5}, {"max_tokens": True}, {"model": ""}, {"id": "own-0123456789"}, {"created_at": 0.0},
    ],
)  # fmt: skip
async def test_what_is_no_persona_is_refused(alice: Client, wrong: dict[str, Any]) -> None:
    new = await alice.ask("POST", PATH, {"name": "n", "prompt": "p", **wrong})
    assert new.problem == (422, "invalid_request")
    (field,) = wrong
    assert {fault["field"].partition(".")[0] for fault in new.json["errors"]} == {field}
    there = await made(alice)
    assert (await alice.ask("PATCH", f"{PATH}/{there['id']}", wrong)).problem == (422, "invalid_request")
    assert await alice.get(f"{PATH}/{there['id']}") == there


async def test_not_a_number_is_no_temperature(alice: Client) -> None:
    for number in (b"NaN", b"Infinity", b"1e400"):
        body = b'{"name": "n", "prompt": "p", "temperature": %b}' % number
        assert (await alice.ask("POST", PATH, body)).problem == (422, "invalid_request")


async def test_the_longest_of_everything_fits(alice: Client) -> None:
    longest = {
        "name": "名" * 80, "icon": "👨‍👩‍👧‍👦" + "🪷" * 9, "description": "述" * 200, "prompt": "🪷" * 16_000,
        "welcome": "迎" * 2_000, "suggestions": ["问" * 200] * 6, "temperature": 2, "top_p": 1, "max_tokens": 1_000_000,
    }  # fmt: skip
    persona = await made(alice, **longest)
    assert {name: persona[name] for name in longest} == longest


async def test_a_model_that_is_not_here_is_refused(alice: Client) -> None:
    assert (await alice.ask("POST", PATH, {"name": "n", "prompt": "p", "model": "x"})).problem == (422, "unknown_model")
    path = f"{PATH}/{(await made(alice))['id']}"
    assert (await alice.ask("PATCH", path, {"model": "x"})).problem == (422, "unknown_model")
    assert (await alice.ask("PATCH", path, {})).problem == (422, "invalid_request")


async def test_the_servers_own_cannot_be_changed(alice: Client) -> None:
    for name in ("assistant", "nobody", "own-", "own-XXXXXXXXXX", "%00", "x" * 300):
        for method, body in (("GET", None), ("PATCH", {"name": "mine"}), ("DELETE", None)):
            assert (await alice.ask(method, f"{PATH}/{name}", body)).problem == (404, "persona_not_found")


async def test_a_person_has_at_most_a_hundred(alice: Client, bob: Client) -> None:
    for _ in range(100):
        await made(alice)
    refused = await alice.ask("POST", PATH, {"name": "n", "prompt": "p"})
    assert refused.problem == (422, "invalid_request")
    assert "at most 100" in refused.json["detail"]
    await made(bob)
