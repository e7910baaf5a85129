"""Texts for people follow Accept-Language; Chinese where it says nothing."""

import pytest

from tests.support.client import Client


@pytest.mark.parametrize(
    ("accepted", "title"),
    [
        (None, "找不到这个对话"),
        ("", "找不到这个对话"),
        ("fr", "找不到这个对话"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "找不到这个对话"),
        ("en", "There is no such conversation"),
        ("EN-us", "There is no such conversation"),
        ("zh;q=0.3, en;q=0.7", "There is no such conversation"),
        ("fr, en;q=0.1", "There is no such conversation"),
        ("en;q=0, zh;q=0.1", "找不到这个对话"),
        ("en;q=x;;,,\t", "找不到这个对话"),
    ],
)
async def test_a_refusal_is_in_the_readers_language(alice: Client, accepted: str | None, title: str) -> None:
    headers = {} if accepted is None else {"Accept-Language": accepted}
    answer = await alice.ask("GET", "/api/conversations/x", headers=headers)
    assert answer.problem == (404, "conversation_not_found")
    assert answer.json["title"] == title


async def test_personas_come_in_both_languages(alice: Client) -> None:
    english = (await alice.ask("GET", "/roles", headers={"Accept-Language": "en"})).json["roles"]
    chinese = (await alice.ask("GET", "/roles", headers={"Accept-Language": "zh"})).json["roles"]
    assert english.keys() == chinese.keys()
    for role in english:
        assert english[role]["name"] != chinese[role]["name"]
        assert english[role]["prompt"] != chinese[role]["prompt"]


async def test_the_prompt_is_in_the_askers_language(alice: Client) -> None:
    prompts = {}
    for language in ("en", "zh"):
        session_id = await alice.create()
        heard = {"Accept-Language": language}
        async with alice.stream("/chat/stream", headers=heard, session_id=session_id, message="hello") as stream:
            frames = await stream.until(lambda frames: frames[-1].name == "end")
        prompts[language] = frames[-1].data["usage"]["prompt_tokens"]
        roles = await alice.ask("GET", "/roles", headers={"Accept-Language": language})
        # The scripted model counts the prompt's characters.
        assert prompts[language] == len(roles.json["roles"]["assistant"]["prompt"]) + len("hello")
    assert prompts["en"] != prompts["zh"]
