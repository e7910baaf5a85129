"""The account of a turn: exactly what the model was given, and what was left out and why."""

import itertools
from typing import Any

import aiohttp

from tests.conftest import StartServer
from tests.support.client import Client, turns
from tests.support.upstream import DONE, Upstream, chunk, events, text


async def account(client: Client, conversation: str, turn: str) -> Any:
    return (await client.get(f"{turns(conversation)}/{turn}"))["context"]


async def test_the_account_is_what_the_model_was_given(
    session: aiohttp.ClientSession, start_server: StartServer
) -> None:
    answer = events(text("fine, "), text("thanks"), chunk(finish="stop"), DONE)
    async with Upstream(answer) as upstream:
        server = start_server(OPENAI_BASE_URL=upstream.base_url, OPENAI_API_KEY="k", LIANHUA_CONTEXT_MESSAGES="4")
        client = Client(session, server.url, "alice")
        conversation = await client.create(role="teacher")
        said = [await client.say(conversation, f"message {number}") for number in range(4)]
        sent = [request.json["messages"] for request in upstream.requests]

    contents = {message["id"]: message["content"] for message in await client.messages(conversation)}
    contents["persona"] = (await client.get("/roles"))["roles"]["teacher"]["prompt"]
    assert len(sent) == 4
    for shown, given in zip(said, sent, strict=True):
        kept = await account(client, conversation, shown.turn["turn_id"])
        included = [entry for entry in kept["messages"] if entry["included"]]
        assert [{"role": entry["role"], "content": contents[entry["id"]]} for entry in included] == given
        assert kept["used_tokens"] == sum(entry["tokens"] for entry in included) <= kept["budget_tokens"]
        assert all(entry["tokens"] > 0 and entry["reason"] for entry in kept["messages"])
    assert [message["content"] for message in sent[3][1:]] == ["message 2", "fine, thanks", "message 3"]


async def test_the_window_is_twenty_messages_and_loses_them_in_blocks(alice: Client) -> None:
    conversation = await alice.create()
    given, turn = [], ""
    for number in range(16):
        whole = await alice.say(conversation, f"message {number}")
        turn = whole.turn["turn_id"]
        kept = await account(alice, conversation, turn)
        given.append([entry["id"] for entry in kept["messages"] if entry["included"]])
        left_out = [entry for entry in kept["messages"] if not entry["included"]]
        assert {entry["reason"] for entry in left_out} <= {"message_count"}
        assert kept["older_left_out"] + len(left_out) + len(given[-1]) == 2 * number + 2
    # The question is one of the twenty, the persona's prompt comes on top. Of a full window twelve earlier ones stay.
    assert [len(ids) - 1 for ids in given] == [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 13, 15, 17, 19, 13, 15]
    messages = [message["id"] for message in await alice.messages(conversation)]
    assert given[15] == ["persona", *messages[16:31]]
    for before, after in itertools.pairwise(given):
        assert len(after) < len(before) or after[: len(before)] == before


async def test_what_does_not_fit_the_models_window_is_left_out(alice: Client) -> None:
    conversation = await alice.create()
    long = "lotus " * 1_500  # a good part of the script's 8192 tokens
    texts = [(await alice.say(conversation, f"[think] {number} {long}")).text for number in range(4)]
    assert texts == ["Seen."] * 4
    whole = await alice.say(conversation, long)
    kept = await account(alice, conversation, whole.turn["turn_id"])
    reasons = [entry["reason"] for entry in kept["messages"]]
    assert "token_budget" in reasons
    assert kept["used_tokens"] <= kept["budget_tokens"] < 8_192
    flags = [entry["included"] for entry in kept["messages"][1:]]
    assert flags == sorted(flags), "the window has no holes"
    given = sum(entry["included"] for entry in kept["messages"])
    assert whole.text.endswith(f": {given} messages)")


async def test_a_failed_reply_is_no_part_of_the_next_prompt(alice: Client) -> None:
    conversation = await alice.create()
    await alice.say(conversation, "[refused]")
    whole = await alice.say(conversation, "hello")
    kept = await account(alice, conversation, whole.turn["turn_id"])
    assert [(entry["role"], entry["included"]) for entry in kept["messages"]] == [
        ("system", True),
        ("user", True),
        ("assistant", False),
        ("user", True),
    ]
    assert kept["messages"][2]["reason"] == "empty"


async def test_a_persona_for_one_message_writes_the_prompt(alice: Client) -> None:
    conversation = await alice.create()
    await alice.say(conversation, "one", role="programmer")
    conversation_now = await alice.get(f"/api/conversations/{conversation}")
    assert conversation_now["role"] == "programmer"
