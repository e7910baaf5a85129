"""The script instead of a model."""

import time
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from lianhua.chat.messages import Usage
from lianhua.chat.prompt import Prompt
from lianhua.errors import ModelError, ModelTimeout, WrongSettings
from lianhua.models.port import Delta, Finish, GenerationOptions, ReasoningDelta, Retrying, TextDelta
from lianhua.models.scripted import Rule, Script, ScriptedModel, load_script
from tests.support.models.prompts import prompt_of

PLAIN = GenerationOptions()


async def played(model: ScriptedModel, prompt: Prompt) -> list[Sequence[Delta]]:
    return [batch async for batch in model.stream(prompt, PLAIN)]


async def said(model: ScriptedModel, prompt: Prompt) -> str:
    return "".join(
        delta.text for batch in await played(model, prompt) for delta in batch if isinstance(delta, TextDelta)
    )


def written(tmp_path: Path, toml: str) -> Path:
    file = tmp_path / "script.toml"
    file.write_text(toml, "utf-8")
    return file


async def test_without_rules_the_echo_shows_what_the_model_was_given() -> None:
    model = ScriptedModel()
    assert await said(model, prompt_of("你好")) == "echo: 你好 (turn 1: 2 messages)"
    prompt = prompt_of("one", "two", "{turn} three")
    assert await said(model, prompt) == "echo: {turn} three (turn 2: 4 messages)"
    assert list(model.prompts)[-1] == prompt
    assert model.running == 0


async def test_the_first_rule_that_fits_answers(tmp_path: Path) -> None:
    script = load_script(
        written(
            tmp_path,
            """
            context_tokens = 99
            [[reply]]
            when = "weather"
            reasoning = ["Let me ", "look. "]
            pieces = ["Sunny ", "and {turn}. "]
            repeat = 2
            batch = 3
            finish = "length"
            [[reply]]
            pieces = ["{messages}: {message}"]
            """,
        )
    )
    model = ScriptedModel(script)
    assert model.info.context_tokens == 99
    assert model.info.kind == "scripted"
    assert await played(model, prompt_of("the weather?")) == [
        [ReasoningDelta("Let me "), ReasoningDelta("look. "), TextDelta("Sunny ")],
        [TextDelta("and 1. "), TextDelta("Sunny "), TextDelta("and 1. ")],
        [Finish("length", Usage(25, 6))],
    ]
    assert await said(model, prompt_of("else")) == "2: else"


async def test_a_rule_fails_always_or_only_its_first_calls() -> None:
    always = ScriptedModel(Script((Rule(pieces=("a",), fail="model_timeout"),)))
    once = ScriptedModel(Script((Rule(pieces=("a",), fail="model_timeout", fail_calls=1),)))
    for model in (always, always, once):
        stream = model.stream(prompt_of("x"), PLAIN)
        assert await anext(stream) == [TextDelta("a")]
        with pytest.raises(ModelTimeout):
            await anext(stream)
        assert model.running == 0
    assert await said(once, prompt_of("x")) == "a"


async def test_a_rule_may_be_cut_and_may_announce_retries() -> None:
    model = ScriptedModel(Script((Rule(pieces=("a",), finish="", retry_s=(0.0, 0.01)),)))
    assert await played(model, prompt_of("x")) == [
        [Retrying("model_unavailable", 0.0)],
        [Retrying("model_unavailable", 0.01)],
        [TextDelta("a")],
    ]


async def test_the_interval_is_kept_between_pieces() -> None:
    model = ScriptedModel(Script((Rule(pieces=("a", "b", "c"), first_s=0.05),), interval_s=0.05))
    started = time.monotonic()
    await played(model, prompt_of("x"))
    assert time.monotonic() - started >= 0.15


async def test_a_closed_stream_no_longer_runs() -> None:
    model = ScriptedModel(Script((Rule(pieces=("a", "b"), interval_s=60),)))
    async with aclosing(model.stream(prompt_of("x"), PLAIN)) as stream:
        assert await anext(stream) == [TextDelta("a")]
        assert model.running == 1
    assert model.running == 0


@pytest.mark.parametrize("code", ["model_timeout", "model_rate_limited", "context_too_long", "model_auth_failed"])
async def test_every_failure_has_its_code(code: str) -> None:
    model = ScriptedModel(Script((Rule(fail=code),)))
    with pytest.raises(ModelError) as caught:
        await played(model, prompt_of("x"))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ("[[reply]]\nwhen = 1", "when"),
        ("[[reply]]\nsurprise = 1", "surprise"),
        ("pace = 1", "pace"),
        ("[[reply]]\nfail = 'oops'", "model_timeout"),
        ("[[reply]]\nrepeat = -1", "repeat"),
        ("interval_s = -1", "interval_s"),
        ("= broken", "line 1"),
    ],
)
def test_a_wrong_script_is_refused_in_one_line_that_says_where(tmp_path: Path, toml: str, named: str) -> None:
    with pytest.raises(WrongSettings) as caught:
        load_script(written(tmp_path, toml))
    line = str(caught.value)
    assert line.startswith("LIANHUA_SCRIPT: ")
    assert named in line
    assert "\n" not in line


def test_a_script_that_cannot_be_read_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(WrongSettings, match="No such file"):
        load_script(tmp_path / "missing.toml")
    (tmp_path / "bytes").write_bytes(b"\xff")
    with pytest.raises(WrongSettings, match="LIANHUA_SCRIPT"):
        load_script(tmp_path / "bytes")


def test_an_empty_script_is_the_echo(tmp_path: Path) -> None:
    assert load_script(written(tmp_path, "")) == Script()
