"""Answer again, edit, go on, turn to another branch, pin: the tree of messages as a client meets it."""

import asyncio
import random
from typing import Any

import aiohttp

from tests.conftest import StartServer
from tests.support.client import Answer, Client, Shown, events, shown, turns
from tests.support.upstream import DONE, Upstream, chunk, text
from tests.support.upstream import answer as refusal
from tests.support.upstream import events as streamed
from tests.support.waiting import until

WRITERS, WRITES = 20, 50


async def act(client: Client, conversation: str, **body: Any) -> Answer:
    return await client.ask("POST", turns(conversation), body)


async def acted(client: Client, conversation: str, **body: Any) -> Shown:
    """Begins the turn and watches it to its end."""
    answer = await act(client, conversation, **body)
    assert answer.status == 202, answer.body
    return shown(await client.read(events(conversation, answer.json["turn_id"])))


async def contents(client: Client, conversation: str) -> list[str]:
    return [message["content"] for message in await client.messages(conversation)]


async def test_another_reply_is_a_sibling_to_choose_from(alice: Client) -> None:
    conversation = await alice.create()
    first = (await alice.say(conversation, "hello")).turn["reply_message_id"]
    again = await acted(alice, conversation, retry=first)
    question, reply = await alice.messages(conversation)
    assert (again.turn["user_message_id"], again.turn["reply_message_id"]) == (question["id"], reply["id"])
    assert reply["siblings"] == [first, reply["id"]]
    assert question["siblings"] == [question["id"]]
    changed = await alice.ask("PATCH", f"/api/conversations/{conversation}/branch", {"message_id": first})
    assert (changed.status, changed.json["message_count"]) == (200, 3)
    assert [message["id"] for message in await alice.messages(conversation)] == [question["id"], first]
    # A question can be answered again as well as a reply.
    third = await acted(alice, conversation, retry=question["id"])
    assert (await alice.messages(conversation))[1]["id"] == third.turn["reply_message_id"]


async def test_an_edit_is_a_new_branch_and_the_old_one_stays(alice: Client) -> None:
    conversation = await alice.create()
    for number in range(3):
        await alice.say(conversation, f"message {number}")
    before = await alice.messages(conversation)
    edited = await acted(alice, conversation, edit=before[2]["id"], message="another way")
    now = await alice.messages(conversation)
    assert [message["content"] for message in now[::2]] == ["message 0", "another way"]
    assert now[2]["siblings"] == [before[2]["id"], now[2]["id"]]
    assert edited.text == "echo: another way (turn 2: 4 messages)", "the model sees the new branch only"
    page = await alice.get(f"/api/conversations/{conversation}/messages")
    assert (page["total"], page["dropped"], page["next"]) == (4, 0, None)
    await alice.ask("PATCH", f"/api/conversations/{conversation}/branch", {"message_id": before[2]["id"]})
    assert [message["id"] for message in await alice.messages(conversation)] == [message["id"] for message in before]
    # The very first message can be edited too.
    await acted(alice, conversation, edit=before[0]["id"], message="from the start")
    assert await contents(alice, conversation) == ["from the start", "echo: from the start (turn 1: 2 messages)"]


async def test_a_stale_view_sends_a_sibling(alice: Client) -> None:
    conversation = await alice.create()
    seen = (await alice.say(conversation, "one")).turn["reply_message_id"]
    await alice.say(conversation, "two")
    late = await acted(alice, conversation, message="three, without having seen two", parent_id=seen)
    now = await alice.messages(conversation)
    assert [message["content"] for message in now[::2]] == ["one", "three, without having seen two"]
    assert len(now[2]["siblings"]) == 2
    assert late.text.endswith("(turn 2: 4 messages)")
    beginning = await acted(alice, conversation, message="anew", parent_id="")
    assert beginning.text == "echo: anew (turn 1: 2 messages)"


async def test_a_key_opens_one_turn_whatever_it_asks(alice: Client) -> None:
    conversation = await alice.create()
    reply = (await alice.say(conversation, "hello")).turn["reply_message_id"]
    headers = {"Idempotency-Key": "again"}
    first = await alice.ask("POST", turns(conversation), {"retry": reply}, headers)
    await alice.read(events(conversation, first.json["turn_id"]))
    second = await alice.ask("POST", turns(conversation), {"retry": reply}, headers)
    assert (first.status, second.status, second.json) == (202, 200, first.json)
    other = await alice.ask("POST", turns(conversation), {"continue": reply}, headers)
    assert other.problem == (422, "idempotency_mismatch")


async def test_a_cut_reply_goes_on_and_no_piece_is_repeated(
    session: aiohttp.ClientSession, start_server: StartServer
) -> None:
    cut = streamed(text("Roses are red, "), text("violets are "))
    rest = streamed(text("violets "), text("are blue"), text(", and so on."), chunk(finish="stop"), DONE)
    async with Upstream(cut, rest) as upstream:
        server = start_server(OPENAI_BASE_URL=upstream.base_url, OPENAI_API_KEY="k")
        client = Client(session, server.url, "alice")
        conversation = await client.create()
        broken = await client.say(conversation, "a poem")
        assert (broken.end["status"], broken.text) == ("interrupted", "Roses are red, violets are ")
        kept_id = broken.turn["reply_message_id"]
        whole = await acted(client, conversation, **{"continue": kept_id})
        sent = upstream.requests[-1].json["messages"]
    assert (whole.end["status"], whole.text) == ("done", "Roses are red, violets are blue, and so on.")
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "user"]
    assert sent[2]["content"] == broken.text
    reply = (await client.messages(conversation))[1]
    assert (reply["content"], reply["siblings"]) == (whole.text, [kept_id, reply["id"]])
    entries = (await client.get(f"{turns(conversation)}/{whole.turn['turn_id']}"))["context"]["messages"]
    assert [(entry["id"], entry["reason"]) for entry in entries[2:]] == [(kept_id, "kept"), ("go_on", "go_on")]
    assert reply["usage"]["completion_tokens"] < 10, "what was kept is not paid for again"


async def test_a_server_that_lets_its_model_go_on_is_not_asked_to(
    tmp_path_factory: Any, session: aiohttp.ClientSession, start_server: StartServer
) -> None:
    models = tmp_path_factory.mktemp("models") / "models.toml"
    cut, rest = streamed(text("One, two, ")), streamed(text("three."), chunk(finish="stop"), DONE)
    async with Upstream(*[cut, rest] * 3) as upstream:
        ways = ("last", "prefix", "vllm")
        models.write_text(
            "\n".join(f'[[model]]\nid = "{way}"\nbase_url = "{upstream.base_url}"\nprefill = "{way}"\n' for way in ways)
        )
        server = start_server(LIANHUA_MODELS=str(models), OPENAI_API_KEY="k")
        client = Client(session, server.url, "alice")
        for way in ways:
            conversation = await client.create(model=way)
            kept_id = (await client.say(conversation, "count")).turn["reply_message_id"]
            whole = await acted(client, conversation, **{"continue": kept_id})
            assert whole.text == "One, two, three."
        bodies = [request.json for request in upstream.requests[1::2]]
    lasts = [body["messages"][-1] for body in bodies]
    assert [(last["role"], last["content"]) for last in lasts] == [("assistant", "One, two, ")] * 3
    assert [last.get("prefix") for last in lasts] == [None, True, None]
    flags = [(body.get("continue_final_message"), body.get("add_generation_prompt")) for body in bodies]
    assert flags == [(None, None), (None, None), (True, False)]


async def test_a_model_that_fails_to_go_on_loses_nothing(
    session: aiohttp.ClientSession, start_server: StartServer
) -> None:
    cut = streamed(chunk({"reasoning_content": "Hm. "}), text("half a "))
    async with Upstream(cut, refusal(401)) as upstream:
        server = start_server(OPENAI_BASE_URL=upstream.base_url, OPENAI_API_KEY="k")
        client = Client(session, server.url, "alice")
        conversation = await client.create()
        kept_id = (await client.say(conversation, "go")).turn["reply_message_id"]
        again = await acted(client, conversation, **{"continue": kept_id})
    assert (again.end["status"], again.end["code"]) == ("interrupted", "model_auth_failed")
    assert (again.text, again.reasoning.strip()) == ("half a ", "Hm.")
    assert (await client.messages(conversation))[1]["content"] == "half a "


async def test_what_cannot_be_done_is_refused_and_changes_nothing(alice: Client) -> None:
    conversation, other = await alice.create(), await alice.create()
    question, reply = [
        (await alice.say(conversation, "[refused]")).turn[f"{name}_message_id"] for name in ("user", "reply")
    ]
    elsewhere = (await alice.say(other, "hello")).turn["reply_message_id"]
    before = await alice.messages(conversation)
    bodies: list[dict[str, Any]] = [
        {"retry": "nobody"},
        {"retry": elsewhere},
        {"edit": reply, "message": "x"},
        {"edit": question, "message": "  "},
        {"edit": question},
        {"continue": question},
        {"continue": reply},  # it has no text
        {"message": "x", "parent_id": "nobody"},
        {"retry": reply, "message": "x"},
        {"retry": reply, "edit": question, "message": "x"},
        {"retry": None},
        {},
    ]
    for body in bodies:
        assert (await act(alice, conversation, **body)).problem == (422, "invalid_request"), body
    branch = f"/api/conversations/{conversation}/branch"
    assert (await alice.ask("PATCH", branch, {"message_id": elsewhere})).problem == (422, "invalid_request")
    pin = f"/api/conversations/{conversation}/messages/{elsewhere}"
    assert (await alice.ask("PATCH", pin, {"pinned": True})).problem == (422, "invalid_request")
    assert await alice.messages(conversation) == before
    assert (await act(alice, conversation, edit=question, message="hello")).status == 202


async def test_nobody_touches_another_users_tree(alice: Client, bob: Client) -> None:
    conversation = await alice.create()
    whole = await alice.say(conversation, "hello")
    reply = whole.turn["reply_message_id"]
    path = f"/api/conversations/{conversation}"
    missing = (404, "conversation_not_found")
    for body in ({"retry": reply}, {"edit": whole.turn["user_message_id"], "message": "x"}, {"continue": reply}):
        assert (await act(bob, conversation, **body)).problem == missing
    assert (await bob.ask("PATCH", f"{path}/branch", {"message_id": reply})).problem == missing
    assert (await bob.ask("PATCH", f"{path}/messages/{reply}", {"pinned": True})).problem == missing


async def test_a_pinned_message_is_shown_and_stays_in_the_window(
    session: aiohttp.ClientSession, start_server: StartServer
) -> None:
    answer = streamed(text("noted"), chunk(finish="stop"), DONE)
    async with Upstream(answer) as upstream:
        server = start_server(
            OPENAI_BASE_URL=upstream.base_url,
            OPENAI_API_KEY="k",
            LIANHUA_CONTEXT_MESSAGES="3",
            LIANHUA_RETENTION_MESSAGES="6",
        )
        client = Client(session, server.url, "alice")
        conversation = await client.create()
        fact = (await client.say(conversation, "my name is 小明")).turn["user_message_id"]
        path = f"/api/conversations/{conversation}/messages/{fact}"
        pinned = await client.ask("PATCH", path, {"pinned": True})
        assert (pinned.status, pinned.json["pinned"], pinned.json["content"]) == (200, True, "my name is 小明")
        for number in range(6):
            last = await client.say(conversation, f"message {number}")
        sent = upstream.requests[-1].json["messages"]
        contents = {message["id"]: message["content"] for message in await client.messages(conversation)}
        page = await client.get(f"/api/conversations/{conversation}/messages")
    contents["persona"] = (await client.get("/roles"))["roles"]["assistant"]["prompt"]
    account = (await client.get(f"{turns(conversation)}/{last.turn['turn_id']}"))["context"]
    included = [entry for entry in account["messages"] if entry["included"]]
    assert [{"role": entry["role"], "content": contents[entry["id"]]} for entry in included] == sent
    assert [entry["reason"] for entry in included] == ["persona", "pinned", "fits", "last_message"]
    assert [message["content"] for message in sent[1:]] == ["my name is 小明", "noted", "message 5"]
    # Retention kept it as well, and says what it has dropped below it.
    assert (page["total"], page["dropped"]) == (14, 7)
    assert [(m.get("pinned"), m.get("dropped_before")) for m in page["messages"][:2]] == [(True, None), (None, 7)]


async def test_a_branch_that_one_turns_away_from_gets_its_reply_all_the_same(alice: Client) -> None:
    conversation = await alice.create()
    first = (await alice.say(conversation, "hello")).turn["reply_message_id"]
    second = (await acted(alice, conversation, retry=first)).turn["reply_message_id"]
    turn = (await act(alice, conversation, message="[slow]", parent_id=second)).json
    await alice.see(conversation, turn["turn_id"])
    assert (await act(alice, conversation, retry=first)).problem == (409, "turn_in_progress")
    branch = f"/api/conversations/{conversation}/branch"
    assert (await alice.ask("PATCH", branch, {"message_id": first})).json["running_turn_id"] == turn["turn_id"]
    whole = shown(await alice.read(events(conversation, turn["turn_id"])))
    assert whole.end["status"] == "done"
    assert [message["id"] for message in await alice.messages(conversation)][-1] == first, "the view stays"
    await alice.ask("PATCH", branch, {"message_id": second})
    ids = [message["id"] for message in await alice.messages(conversation)]
    assert ids[1:] == [second, turn["user_message_id"], turn["reply_message_id"]]


async def is_at_rest(client: Client, conversation: str) -> bool:
    return await client.running_turn(conversation) is None


async def test_twenty_writers_with_stale_views_lose_nothing(
    session: aiohttp.ClientSession, start_server: StartServer, tmp_path: Any
) -> None:
    script = tmp_path / "script.toml"
    script.write_text('[[reply]]\nwhen = ""\npieces = ["ok"]\n')
    server = start_server(LIANHUA_SCRIPT=str(script), LIANHUA_RETENTION_MESSAGES="0")
    client = Client(session, server.url, "alice")
    conversation = await client.create()
    root = (await client.say(conversation, "root")).turn
    said: dict[str, tuple[str, str]] = {}  # message id to its text and the parent that it must have

    async def write(number: int) -> None:
        dice = random.Random(number)
        view = [root["user_message_id"], root["reply_message_id"]]  # stale from the start
        for count in range(WRITES):
            body: dict[str, Any] = {"message": f"writer {number} says {count}"}
            own = [message_id for message_id in said if said[message_id][0].startswith(f"writer {number} ")]
            if own and dice.random() < 0.4:
                body["edit"] = dice.choice(own)
                parent = said[body["edit"]][1]
            else:
                body["parent_id"] = parent = dice.choice(view[1::2])
            while (answer := await act(client, conversation, **body)).status == 409:
                assert answer.problem == (409, "turn_in_progress")
                await asyncio.sleep(dice.uniform(0.01, 0.05))
            assert answer.status == 202, answer.body
            said[answer.json["user_message_id"]] = body["message"], parent
            if dice.random() < 0.2:
                view = [message["id"] for message in await client.messages(conversation)]

    await asyncio.gather(*(write(number) for number in range(WRITERS)))
    assert len(said) == WRITERS * WRITES
    await until(lambda: is_at_rest(client, conversation))
    found = await all_branches(client, conversation, root["user_message_id"])
    for message_id, (words, parent) in said.items():
        assert (found[message_id]["content"], found[message_id]["parent_id"]) == (words, parent)
        assert message_id in found[message_id]["siblings"]
    assert len(found) == 2 * len(said) + 2
    assert all(message["parent_id"] in found for message in found.values() if message["parent_id"])
    assert (await client.get(f"/api/conversations/{conversation}"))["message_count"] == len(found)


async def all_branches(client: Client, conversation: str, root: str) -> dict[str, Any]:
    """Every message of the tree, by its id."""
    found: dict[str, Any] = {}
    waiting = [root]
    while waiting:  # every branch is looked at, by what the pages themselves name
        message_id = waiting.pop()
        if message_id in found:
            continue
        await client.ask("PATCH", f"/api/conversations/{conversation}/branch", {"message_id": message_id})
        for message in await client.messages(conversation):
            found[message["id"]] = message
            waiting += [sibling for sibling in message["siblings"] if sibling not in found]
    return found
