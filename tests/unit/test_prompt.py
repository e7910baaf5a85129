import hypothesis.strategies as st
import pytest
from hypothesis import given

from lianhua.errors import MessageTooLong
from lianhua.messages import Message
from lianhua.prompt import Prompt, message_tokens, select, token_budget

SYSTEM = "You are kind."


def message(number: int, text: str) -> Message:
    return Message(f"m{number}", "user" if number % 2 == 0 else "assistant", text)


def prompt_of(texts: list[str], question: str, **limits: int) -> Prompt:
    history = [message(number, text) for number, text in enumerate(texts)]
    limits = {"max_messages": 20, "budget_tokens": 10_000} | limits
    return select(SYSTEM, history, Message("q", "user", question), count=len, **limits)


histories = st.lists(st.text(max_size=60), max_size=40)


@given(histories, st.text(min_size=1, max_size=80), st.integers(1, 25), st.integers(1, 1_500))
def test_the_budget_is_never_exceeded_and_the_last_message_always_there(
    texts: list[str], question: str, max_messages: int, budget: int
) -> None:
    needed = message_tokens(SYSTEM, len) + message_tokens(question, len)
    if needed > budget:
        with pytest.raises(MessageTooLong):
            prompt_of(texts, question, max_messages=max_messages, budget_tokens=budget)
        return
    prompt = prompt_of(texts, question, max_messages=max_messages, budget_tokens=budget)
    spent = sum(message_tokens(part.content, len) for part in prompt.messages)
    assert spent == prompt.context.used_tokens <= budget
    assert prompt.messages[0].content == SYSTEM
    assert prompt.messages[-1].content == question
    assert len(prompt.messages) - 1 <= max_messages


@given(histories, st.integers(1, 25), st.integers(200, 1_500))
def test_the_account_is_what_was_sent(texts: list[str], max_messages: int, budget: int) -> None:
    prompt = prompt_of(texts, "why?", max_messages=max_messages, budget_tokens=budget)
    by_id = {f"m{number}": text for number, text in enumerate(texts)} | {"persona": SYSTEM, "q": "why?"}
    included = [by_id[entry.id] for entry in prompt.context.messages if entry.included]
    assert included == [part.content for part in prompt.messages]
    assert len(prompt.context.messages) == len(texts) + 2
    assert {entry.reason for entry in prompt.context.messages if entry.included} <= {"persona", "last_message", "fits"}


@given(histories, st.integers(1, 25), st.integers(200, 1_500))
def test_the_window_has_no_holes_but_empty_messages(texts: list[str], max_messages: int, budget: int) -> None:
    prompt = prompt_of(texts, "why?", max_messages=max_messages, budget_tokens=budget)
    rows = [entry for entry in prompt.context.messages if entry.id.startswith("m") and entry.reason != "empty"]
    sent = [entry.included for entry in rows]
    assert sent == sorted(sent)


def test_the_newest_messages_stay_when_the_count_is_reached() -> None:
    prompt = prompt_of(["a", "b", "c", "d"], "e", max_messages=3)
    assert [part.content for part in prompt.messages] == [SYSTEM, "c", "d", "e"]
    assert [entry.reason for entry in prompt.context.messages] == [
        "persona", "message_count", "message_count", "fits", "fits", "last_message",
    ]  # fmt: skip


def test_a_smaller_window_marks_what_fell_out_of_it() -> None:
    refused = prompt_of(["a" * 50, "b" * 50], "e", budget_tokens=200)
    assert all(entry.included for entry in refused.context.messages)
    history = [message(0, "a" * 50), message(1, "b" * 50)]
    again = select(
        SYSTEM, history, Message("q", "user", "e"), count=len, max_messages=20, budget_tokens=100,
        smaller_than=refused.context,
    )  # fmt: skip
    assert {entry.id: entry.reason for entry in again.context.messages}["m0"] == "retry_smaller"
    assert again.context.used_tokens <= 100


def test_an_empty_reply_is_left_out_without_ending_the_window() -> None:
    prompt = prompt_of(["a", "", "b"], "c")
    assert [part.content for part in prompt.messages] == [SYSTEM, "a", "b", "c"]


def test_a_question_that_cannot_fit_is_refused_with_its_size() -> None:
    with pytest.raises(MessageTooLong) as refusal:
        prompt_of([], "x" * 100, budget_tokens=50)
    assert (refusal.value.length, refusal.value.unit) == (105, "tokens")


@pytest.mark.parametrize(
    ("context", "reply", "budget"), [(8_192, None, 6_144), (128_000, None, 123_904), (8_192, 500, 7_692)]
)
def test_the_budget_leaves_room_for_the_reply(context: int, reply: int | None, budget: int) -> None:
    assert token_budget(context, reply) == budget
