"""The demo: it says what it is, and what it says about the prompt is true."""

import time
from contextlib import aclosing

import pytest

from lianhua.chat.messages import Language, Message
from lianhua.chat.prompt import Prompt, select
from lianhua.models.demo import DemoModel, explain
from lianhua.models.port import Finish, GenerationOptions, TextDelta

HISTORY = [
    Message("m0", "user", "My name is Ann"),
    Message("m1", "assistant", "Hello Ann"),
    Message("m2", "user", "I like tea"),
    Message("m3", "assistant", ""),
    Message("m4", "assistant", "Good choice"),
]


def prompt_for(
    language: Language = "en", question: str = "What is my name?", *, room: int = 1_000, messages: int = 20
) -> Prompt:
    return select(
        "You are a patient teacher.",
        HISTORY,
        Message("m5", "user", question),
        max_messages=messages,
        budget_tokens=room,
        count=len,
        older=7,
        language=language,
        persona_name="Teacher",
    )


async def reply_to(prompt: Prompt) -> list[object]:
    model = DemoModel(interval_s=0)
    return [delta async for batch in model.stream(prompt, GenerationOptions()) for delta in batch]


@pytest.mark.parametrize(("language", "words"), [("zh", "不是语言模型"), ("en", "no language model wrote it")])
async def test_every_reply_says_first_that_no_model_wrote_it(language: Language, words: str) -> None:
    deltas = await reply_to(prompt_for(language))
    text = "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))

    assert words in text.splitlines()[0]
    assert text == explain(prompt_for(language))
    assert deltas[-1] == Finish("stop")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_it_quotes_what_was_sent_and_only_that(language: Language) -> None:
    everything = explain(prompt_for(language))
    for said in ("You are a patient", "My name is Ann", "Hello Ann", "I like tea", "What is my name?"):
        assert said in everything
    assert "Teacher" in everything

    newest = explain(prompt_for(language, messages=3))
    assert "Good choice" in newest and "I like tea" in newest and "My name is Ann" not in newest


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        (prompt_for("en"), ["7 beyond the message count", "1 without any text"]),
        (prompt_for("zh"), ["7 条因为超出了消息条数上限", "1 条因为没有内容"]),
        (prompt_for("en", messages=3), ["9 beyond the message count"]),
        (prompt_for("en", room=70), ["3 beyond the token budget"]),
        (prompt_for("zh", room=70), ["3 条因为超出了 token 预算"]),
    ],
)
def test_it_counts_what_was_left_out_and_why(prompt: Prompt, said: list[str]) -> None:
    for words in said:
        assert words in explain(prompt)


def test_it_tells_the_tokens_of_the_budget() -> None:
    prompt = prompt_for("en")

    assert f"about {prompt.context.used_tokens} used of a budget of 1000" in explain(prompt)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_it_says_how_to_get_a_real_model(language: Language) -> None:
    for way in ("OPENAI_API_KEY", "Ollama", "lianhua pull"):
        assert way in explain(prompt_for(language))


def test_a_first_turn_has_no_earlier_messages() -> None:
    prompt = select("Be kind.", [], Message("m0", "user", "hi"), max_messages=20, budget_tokens=100, count=len)

    assert "历史消息**：没有" in explain(prompt) and "无，全部发送了" in explain(prompt)


def test_a_long_history_is_shown_by_its_ends() -> None:
    history = [Message(f"m{at}", "assistant" if at % 2 else "user", f"message {at}") for at in range(16)]
    question = Message("q", "user", "now?")
    prompt = select("", history, question, max_messages=20, budget_tokens=5_000, count=len, language="en")
    text = explain(prompt)

    assert "message 0`" in text and "message 15`" in text and "message 7`" not in text
    assert "10 more in between" in text


def test_what_users_wrote_stays_text() -> None:
    text = explain(prompt_for("en", "`](http://evil)\n\n# **Big** <b>"))

    assert "`'](http://evil) # **Big** <b>`" in text


async def test_it_streams_at_the_interval_it_was_given() -> None:
    began = time.monotonic()
    async with aclosing(DemoModel(interval_s=0.01).stream(prompt_for(), GenerationOptions())) as batches:
        for _ in range(11):
            await anext(batches)

    assert time.monotonic() - began >= 0.1
