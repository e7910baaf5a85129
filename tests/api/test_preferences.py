"""What a person has chosen for good."""

from typing import Any

import aiohttp
import pytest

from tests.api.test_personas import made
from tests.conftest import StartServer
from tests.support.client import Client

PATH = "/api/settings"
NOTHING = {"default_role": None, "default_model": None, "language": None}


async def choose(client: Client, **choices: Any) -> Any:
    answer = await client.ask("PATCH", PATH, choices)
    assert answer.status == 200, answer.body
    return answer.json


async def begun(client: Client, **body: Any) -> tuple[str, str | None]:
    """Persona and model of a new conversation."""
    conversation = await client.get(f"/api/conversations/{await client.create(**body)}")
    return conversation["role"], conversation["model"]


async def test_what_is_chosen_stays_until_it_is_taken_back(alice: Client, bob: Client) -> None:
    assert await alice.get(PATH) == NOTHING
    assert await choose(alice, default_role="teacher", language="en") == {
        **NOTHING,
        "default_role": "teacher",
        "language": "en",
    }
    assert await choose(alice, default_model="scripted", language=None) == await alice.get(PATH)
    assert await alice.get(PATH) == {"default_role": "teacher", "default_model": "scripted", "language": None}
    assert await bob.get(PATH) == NOTHING


async def test_a_new_conversation_begins_with_what_was_chosen(alice: Client) -> None:
    own = await made(alice, welcome="hello from my own")
    assert await begun(alice) == ("assistant", None)
    await choose(alice, default_role=own["id"], default_model="scripted")
    assert await begun(alice) == (own["id"], "scripted")
    assert await begun(alice, role="teacher") == ("teacher", "scripted")
    started = (await alice.ask("POST", "/chat/start")).json
    assert started["welcome_message"] == "hello from my own"
    conversation = await alice.get(f"/api/conversations/{started['session_id']}")
    assert (conversation["role"], conversation["model"]) == (own["id"], "scripted")


async def test_a_persona_that_is_gone_counts_as_nothing_chosen(alice: Client) -> None:
    own = await made(alice)
    await choose(alice, default_role=own["id"])
    await alice.ask("DELETE", f"/api/personas/{own['id']}")
    assert await begun(alice) == ("assistant", None)


async def test_a_model_that_is_gone_counts_as_nothing_chosen_and_a_personas_own_goes_first(
    session: aiohttp.ClientSession, start_server: StartServer
) -> None:
    first = start_server(OPENAI_API_KEY="k", OPENAI_BASE_URL="http://127.0.0.1:9/v1", LIANHUA_MODELS="a,b")
    client = Client(session, first.url, "alice")
    own = await made(client, model="b")
    await choose(client, default_model="a")
    assert await begun(client) == ("assistant", "a")
    assert await begun(client, role=own["id"]) == (own["id"], None)
    assert await begun(client, role=own["id"], model="a") == (own["id"], "a")
    assert first.stop() == 0
    second = start_server(OPENAI_API_KEY="k", OPENAI_BASE_URL="http://127.0.0.1:9/v1", LIANHUA_MODELS="c")
    client = Client(session, second.url, "alice")
    assert await begun(client) == ("assistant", None)
    assert (await client.get(PATH))["default_model"] == "a"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_request"),
        ({"language": "fr"}, "invalid_request"),
        ({"default_role": ""}, "invalid_request"),
        ({"default_role": 1}, "invalid_request"),
        ({"colour": "red"}, "invalid_request"),
        ({"default_role": "pirate"}, "unknown_role"),
        ({"default_role": "own-0123456789"}, "unknown_role"),
        ({"default_model": "x"}, "unknown_model"),
    ],
)
async def test_what_cannot_be_chosen_is_refused(alice: Client, body: dict[str, Any], code: str) -> None:
    assert (await alice.ask("PATCH", PATH, body)).problem == (422, code)
    assert await alice.get(PATH) == NOTHING
