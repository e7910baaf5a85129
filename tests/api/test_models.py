"""The models to choose from."""

import aiohttp

from tests.conftest import StartServer
from tests.support.client import Client


async def test_the_models_are_listed_with_the_default(alice: Client) -> None:
    body = await alice.get("/api/models")
    assert body["default_model"] == "scripted"
    (model,) = body["models"]
    assert {"id", "name", "images", "context_tokens"} <= model.keys()
    assert (model["id"], model["context_tokens"]) == ("scripted", 8192)


async def test_a_conversation_follows_the_default_until_a_model_is_chosen(alice: Client) -> None:
    conversation = await alice.create()
    assert (await alice.get(f"/api/conversations/{conversation}"))["model"] is None
    whole = await alice.say(conversation, "hello", model="scripted")
    assert whole.turn["model"] == "scripted"


async def test_nothing_is_fetched_by_a_server_that_was_not_asked_to(alice: Client) -> None:
    assert (await alice.get("/api/models"))["download"] is None
    for method in ("POST", "DELETE"):
        assert (await alice.ask(method, "/api/models/download")).problem == (422, "invalid_request")


async def test_with_nothing_set_up_the_demo_answers(session: aiohttp.ClientSession, start_server: StartServer) -> None:
    client = Client(session, start_server().url, "alice")
    assert (await client.get("/api/models"))["default_model"] == "demo"
    conversation = await client.create()
    turn = await client.begin_and_see(conversation, "hello")
    await client.stop(conversation, turn)
    assert (await client.messages(conversation))[1]["model"] == "demo"
