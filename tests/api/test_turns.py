"""Turns: one at a time, each key once, stopped when told, and what the model was given."""

import asyncio

import pytest

from tests.support.client import Client, Shown, events, shown, turns
from tests.support.stillness import Stopwatch


async def test_a_turn_is_accepted_with_its_ids(alice: Client) -> None:
    conversation = await alice.create()
    answer = await alice.send(conversation, "hello", key="k")
    assert answer.status == 202
    assert answer.json.keys() == {"turn_id", "user_message_id", "reply_message_id", "events_url"}
    assert answer.json["events_url"] == events(conversation, answer.json["turn_id"])

    whole = shown(await alice.read(answer.json["events_url"]))
    assert whole.turn == {
        "turn_id": answer.json["turn_id"],
        "session_id": conversation,
        "user_message_id": answer.json["user_message_id"],
        "reply_message_id": answer.json["reply_message_id"],
        "model": "scripted",
    }
    assert whole.text == "echo: hello (turn 1: 2 messages)"
    question, reply = await alice.messages(conversation)
    assert question["id"] == answer.json["user_message_id"]
    assert (reply["id"], reply["parent_id"]) == (answer.json["reply_message_id"], question["id"])


async def test_a_finished_turn_says_how_it_went(alice: Client) -> None:
    conversation = await alice.create()
    turn = (await alice.say(conversation, "hello")).turn["turn_id"]
    body = await alice.get(f"{turns(conversation)}/{turn}")
    assert (body["status"], body["model"], body["attempts"]) == ("done", "scripted", 1)
    assert body["started_at"] <= body["first_token_at"] <= body["ended_at"]
    assert body["usage"]["completion_tokens"] > 0
    assert not body["usage"]["estimated"]


async def test_the_same_key_and_body_is_the_same_turn(alice: Client) -> None:
    conversation = await alice.create()
    first = await alice.send(conversation, "[long]", key="k")
    again = await alice.send(conversation, "[long]", key="k")
    assert (first.status, again.status) == (202, 200)
    assert first.json == again.json
    await alice.stop(conversation, first.json["turn_id"])
    after_the_end = await alice.send(conversation, "[long]", key="k")
    assert (after_the_end.status, after_the_end.json) == (200, first.json)
    assert len(await alice.messages(conversation)) == 2


@pytest.mark.parametrize("other", [{"message": "bye"}, {"message": "hello", "role": "teacher"}])
async def test_the_same_key_with_another_body_is_refused(alice: Client, other: dict[str, str]) -> None:
    conversation = await alice.create()
    await alice.send(conversation, "hello", key="k")
    assert (await alice.send(conversation, key="k", **other)).problem == (422, "idempotency_mismatch")


async def test_keys_belong_to_one_conversation(alice: Client) -> None:
    first, second = await alice.create(), await alice.create()
    assert (await alice.send(first, "hello", key="k")).status == 202
    assert (await alice.send(second, "bye", key="k")).status == 202


async def test_a_second_turn_is_refused_while_one_runs(alice: Client) -> None:
    conversation = await alice.create()
    turn = await alice.begin(conversation, "[long]")
    refused = await alice.send(conversation, "hello")
    assert refused.problem == (409, "turn_in_progress")
    assert refused.json["running_turn_id"] == turn
    assert (await alice.get(f"/api/conversations/{conversation}"))["running_turn_id"] == turn
    await alice.stop(conversation, turn)
    assert (await alice.get(f"/api/conversations/{conversation}"))["running_turn_id"] is None
    assert (await alice.say(conversation, "hello")).end["status"] == "done"


async def test_of_many_messages_at_once_one_wins(alice: Client) -> None:
    conversation = await alice.create()
    answers = await asyncio.gather(*(alice.send(conversation, f"[long] {number}") for number in range(8)))
    assert sorted(answer.status for answer in answers) == [202] + [409] * 7
    (won,) = (answer.json["turn_id"] for answer in answers if answer.status == 202)
    assert {answer.json["running_turn_id"] for answer in answers if answer.status == 409} == {won}
    await alice.stop(conversation, won)
    assert len(await alice.messages(conversation)) == 2


async def test_of_one_message_sent_many_times_at_once_there_is_one(alice: Client) -> None:
    conversation = await alice.create()
    answers = await asyncio.gather(*(alice.send(conversation, "[steady]", key="k") for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [200] * 7 + [202]
    assert all(answer.json == answers[0].json for answer in answers)
    assert shown(await alice.read(answers[0].json["events_url"])).end["status"] == "done"
    assert len(await alice.messages(conversation)) == 2


async def test_a_stop_from_elsewhere_keeps_the_text(alice: Client) -> None:
    conversation = await alice.create()
    turn = await alice.begin(conversation, "[long]")
    async with alice.stream(events(conversation, turn)) as stream:
        frames = []
        async for frame in stream:
            frames.append(frame)
            if len(frames) == 5:
                other_tab = alice.as_user(alice.user)
                watch = Stopwatch()
                stopped = await other_tab.stop(conversation, turn)
                assert watch.within(3), watch.took()
    whole = shown(frames)
    assert stopped["status"] == whole.end["status"] == "stopped"
    assert whole.end["finish_reason"] == "stopped"
    assert whole.text
    reply = (await alice.messages(conversation))[1]
    assert (reply["content"], reply["status"]) == (whole.text, "stopped")


async def test_stopping_is_harmless_when_repeated(alice: Client) -> None:
    conversation = await alice.create()
    turn = await alice.begin_and_see(conversation, "[long]")
    first, second = await asyncio.gather(*(alice.stop(conversation, turn) for _ in range(2)))
    assert first["status"] == second["status"] == "stopped"
    assert await alice.stop(conversation, turn) == first
    assert len(await alice.messages(conversation)) == 2


async def test_stopping_a_reply_that_is_done_changes_nothing(alice: Client) -> None:
    conversation = await alice.create()
    turn = (await alice.say(conversation, "hello")).turn["turn_id"]
    assert (await alice.stop(conversation, turn))["status"] == "done"
    assert (await alice.messages(conversation))[1]["status"] == "done"


async def test_a_reply_is_stopped_before_it_showed_anything(alice: Client) -> None:
    conversation = await alice.create()
    turn = await alice.begin(conversation, "[silent]")
    assert (await alice.stop(conversation, turn))["status"] == "stopped"
    whole = shown(await alice.read(events(conversation, turn)))
    assert (whole.text, whole.end["status"]) == ("", "stopped")
    # The empty reply is no part of what the model is given next; the question without one comes with the next.
    assert (await alice.say(conversation, "hello")).text == "echo: hello (turn 1: 2 messages)"


# How replies end


async def ended(client: Client, message: str) -> tuple[Shown, dict[str, object]]:
    conversation = await client.create()
    whole = await client.say(conversation, message)
    reply = (await client.messages(conversation))[1]
    assert (reply["content"], reply["status"]) == (whole.text, whole.end["status"])
    turn = await client.get(f"{turns(conversation)}/{whole.turn['turn_id']}")
    assert (turn["status"], turn["code"]) == (whole.end["status"], whole.end.get("code"))
    assert (await client.say(conversation, "hello")).end["status"] == "done"
    return whole, reply


async def test_a_model_that_refuses_fails_the_turn(alice: Client) -> None:
    whole, reply = await ended(alice, "[refused]")
    assert (whole.text, whole.end["status"], whole.end["code"]) == ("", "failed", "model_refused")
    assert whole.end["message"]
    assert reply["code"] == "model_refused"


async def test_a_model_that_fails_midway_leaves_its_text(alice: Client) -> None:
    whole, _ = await ended(alice, "[timeout]")
    assert (whole.text, whole.end["status"], whole.end["code"]) == ("half a ", "interrupted", "model_timeout")


async def test_a_reply_that_is_cut_off_is_never_done(alice: Client) -> None:
    whole, _ = await ended(alice, "[cut]")
    assert (whole.text, whole.end["status"]) == ("and th", "interrupted")


async def test_a_reply_that_ran_out_of_room_says_so(alice: Client) -> None:
    whole, _ = await ended(alice, "[full]")
    assert (whole.end["status"], whole.end["finish_reason"]) == ("done", "length")


async def test_what_users_read_is_in_their_language(alice: Client) -> None:
    said = {}
    for language in ("zh", "en"):
        conversation = await alice.create()
        answer = await alice.ask("POST", turns(conversation), {"message": "[refused]"}, {"Accept-Language": language})
        frames = await alice.read(answer.json["events_url"])
        said[language] = shown(frames).end["message"]
    assert said["en"].isascii()
    assert not said["zh"].isascii()
