import itertools
from collections.abc import Sequence

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from lianhua.chat.messages import Message, Speaker
from lianhua.chat.prompt import JOINT, OPENING, Prompt, message_tokens, select, token_budget
from lianhua.chat.window import former_start
from lianhua.errors import MessageTooLong
from tests.support.strict_template import refusal_of

SYSTEM = "You are kind."


def message(number: int, text: str, role: Speaker | None = None) -> Message:
    return Message(f"m{number}", role or ("user" if number % 2 == 0 else "assistant"), text)


def prompt_of(texts: list[str], question: str, **limits: int) -> Prompt:
    history = [message(number, text) for number, text in enumerate(texts)]
    limits = {"max_messages": 20, "budget_tokens": 10_000} | limits
    return select(SYSTEM, history, Message("q", "user", question), count=len, **limits)


def reasons(prompt: Prompt) -> dict[str, str]:
    return {entry.id: entry.reason for entry in prompt.context.messages}


def said(prompt: Prompt) -> list[tuple[str, str]]:
    return [(part.role, part.content) for part in prompt.messages]


histories = st.lists(st.text(max_size=60), max_size=40)


@given(histories, st.text(min_size=1, max_size=80), st.integers(1, 25), st.integers(1, 1_500))
@example(["", *["0"] * 17], "0", 18, 150)  # an opening is made up for the greeting that it begins with
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
    assert prompt.messages[-1].content.endswith(question)
    own = [entry for entry in prompt.context.messages if entry.included and entry.id not in ("persona", "opening")]
    assert len(own) <= max_messages


@given(histories, st.integers(1, 25), st.integers(200, 1_500))
def test_the_account_is_what_was_sent(texts: list[str], max_messages: int, budget: int) -> None:
    prompt = prompt_of(texts, "why?", max_messages=max_messages, budget_tokens=budget)
    by_id = {f"m{number}": text for number, text in enumerate(texts)} | {"persona": SYSTEM, "q": "why?"}
    by_id["opening"] = OPENING["zh"]
    included = [entry for entry in prompt.context.messages if entry.included]
    runs = [list(run) for _, run in itertools.groupby(included, key=lambda entry: entry.role)]
    sent = [(run[0].role, JOINT.join(by_id[entry.id] for entry in run)) for run in runs]
    assert sent == said(prompt)
    ids = [entry.id for entry in prompt.context.messages if entry.id != "opening"]
    assert ids == ["persona", *(f"m{number}" for number in range(len(texts))), "q"]
    assert {entry.reason for entry in included} <= {"persona", "opening", "last_message", "fits", "joined"}


@given(histories, st.integers(1, 25), st.integers(200, 1_500))
def test_the_window_has_no_holes_but_empty_messages(texts: list[str], max_messages: int, budget: int) -> None:
    prompt = prompt_of(texts, "why?", max_messages=max_messages, budget_tokens=budget)
    rows = [entry for entry in prompt.context.messages if entry.id.startswith("m")]
    sent = [entry.included for entry in rows if entry.reason not in ("empty", "repeated")]
    assert sent == sorted(sent)


def test_the_newest_messages_stay_when_the_count_is_reached() -> None:
    prompt = prompt_of(["a", "b", "c", "d"], "e", max_messages=3)
    assert [part.content for part in prompt.messages] == [SYSTEM, "c", "d", "e"]
    assert [entry.reason for entry in prompt.context.messages] == [
        "persona", "message_count", "message_count", "fits", "fits", "last_message",
    ]  # fmt: skip


def test_a_smaller_window_marks_what_fell_out_of_it() -> None:
    refused = prompt_of(["a" * 50, "b" * 50, "c" * 50, "d" * 50], "e", budget_tokens=400)
    assert all(entry.included for entry in refused.context.messages)
    history = [message(number, letter * 50) for number, letter in enumerate("abcd")]
    again = select(
        SYSTEM, history, Message("q", "user", "e"), count=len, max_messages=20, budget_tokens=200,
        smaller_than=refused.context,
    )  # fmt: skip
    assert [reasons(again)[f"m{number}"] for number in range(4)] == ["retry_smaller", "retry_smaller", "fits", "fits"]
    assert again.context.used_tokens <= 200
    assert again.messages[1].role == "user"


def test_a_question_that_cannot_fit_is_refused_with_its_size() -> None:
    with pytest.raises(MessageTooLong) as refusal:
        prompt_of([], "x" * 100, budget_tokens=50)
    assert (refusal.value.length, refusal.value.unit) == (105, "tokens")


def test_a_budget_that_is_a_guess_refuses_nothing() -> None:
    question = Message("q", "user", "x" * 100)
    history = [message(0, "a"), message(1, "b")]
    prompt = select(SYSTEM, history, question, count=len, max_messages=20, budget_tokens=50, refuses=False)
    assert said(prompt) == [("system", SYSTEM), ("user", "x" * 100)]
    assert reasons(prompt)["m0"] == "token_budget"


@pytest.mark.parametrize(
    ("context", "reply", "budget"), [(8_192, None, 6_144), (128_000, None, 123_904), (8_192, 500, 7_692)]
)
def test_the_budget_leaves_room_for_the_reply(context: int, reply: int | None, budget: int) -> None:
    assert token_budget(context, reply) == budget


# What any template takes


def test_an_unanswered_question_is_asked_together_with_the_next() -> None:
    prompt = prompt_of(["a", "b", "c", ""], "d")
    assert said(prompt)[1:] == [("user", "a"), ("assistant", "b"), ("user", "c\n\nd")]
    assert reasons(prompt) == {
        "persona": "persona", "m0": "fits", "m1": "fits", "m2": "fits", "m3": "empty", "q": "last_message",
    }  # fmt: skip


def test_a_question_that_was_sent_again_is_asked_once() -> None:
    prompt = prompt_of(["a", "", "a", " \n"], "a")
    assert said(prompt)[1:] == [("user", "a")]
    assert [reasons(prompt)[name] for name in ("m0", "m1", "m2", "m3")] == ["repeated", "empty", "repeated", "empty"]


def test_replies_that_follow_each_other_are_one() -> None:
    history = [message(0, "find it"), message(1, "I look."), message(2, "Here.", "assistant")]
    prompt = select(SYSTEM, history, Message("q", "user", "thanks"), count=len, max_messages=20, budget_tokens=900)
    assert said(prompt)[1:] == [("user", "find it"), ("assistant", "I look.\n\nHere."), ("user", "thanks")]
    assert (reasons(prompt)["m1"], reasons(prompt)["m2"]) == ("fits", "joined")


def test_a_reply_at_the_windows_edge_goes_with_its_question() -> None:
    history = [message(number, f"reply {number}", "assistant") for number in range(30)]
    prompt = select(
        SYSTEM, history, Message("q", "user", "e"), count=len, max_messages=20, budget_tokens=9_000, older=5
    )
    assert said(prompt)[1:] == [("user", "e")]
    assert [reasons(prompt)[f"m{number}"] for number in (10, 11, 29)] == ["message_count", "no_question", "no_question"]


def test_a_conversation_that_begins_with_a_reply_keeps_it_below_a_line() -> None:
    history = [message(0, "Welcome, traveller.", "assistant"), message(2, "hi"), message(3, "Ho.")]
    select_it = {"count": len, "max_messages": 20, "budget_tokens": 900, "language": "en"}
    prompt = select(SYSTEM, history, Message("q", "user", "e"), **select_it)  # type: ignore[arg-type]
    opening = ("user", OPENING["en"])
    assert said(prompt)[1:3] == [opening, ("assistant", "Welcome, traveller.")]
    assert reasons(prompt)["opening"] == "opening"
    older = select(SYSTEM, history, Message("q", "user", "e"), older=5, **select_it)  # type: ignore[arg-type]
    assert said(older)[1] == ("user", "hi")


def test_a_pinned_reply_is_no_first_word_of_the_assistants() -> None:
    history = [message(1, "remember"), message(2, "a"), message(3, "b")]
    prompt = select(
        SYSTEM,
        history,
        Message("q", "user", "c"),
        count=len,
        max_messages=20,
        budget_tokens=900,
        older=4,
        pinned={"m1"},
    )
    assert [role for role, _ in said(prompt)] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert reasons(prompt)["m1"] == "pinned"


def test_a_persona_without_words_sends_no_system_prompt() -> None:
    prompt = select("  ", [], Message("q", "user", "c"), count=len, max_messages=20, budget_tokens=900)
    assert said(prompt) == [("user", "c")]
    assert prompt.context.messages[0].reason == "empty"


messages = st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.sampled_from(["", " ", "a", "b", "c" * 40])))


@given(messages, st.sets(st.integers(0, 30)), st.integers(1, 8), st.integers(30, 400), st.booleans(), st.booleans())
def test_no_template_refuses_the_prompt_of_any_conversation(
    said_so_far: list[tuple[Speaker, str]], pins: set[int], most: int, budget: int, older: bool, strict: bool
) -> None:
    history = [message(number, text, role) for number, (role, text) in enumerate(said_so_far)]
    prompt = select(
        SYSTEM, history, Message("q", "user", "why?"), count=len, max_messages=most, budget_tokens=budget,
        older=3 * older, pinned={f"m{pin}" for pin in pins}, refuses=strict,
    )  # fmt: skip
    assert refusal_of([{"role": part.role, "content": part.content} for part in prompt.messages]) is None
    assert prompt.messages[-1].content.endswith("why?")
    assert prompt.context.used_tokens <= budget


# The window from turn to turn


def talked(
    sizes: Sequence[tuple[int, int]], *, most: int, budget: int, kept: int = 10_000, failures: Sequence[int] = ()
) -> list[Prompt]:
    """The prompts of a conversation with questions and replies of these lengths, each made from what the server would
    have at hand: the newest messages that are `kept`, and the account of the turn before.
    """
    prompts: list[Prompt] = []
    talk: list[Message] = []
    for turn, (question_chars, reply_chars) in enumerate(sizes):
        question = Message(f"q{turn}", "user", f"{turn} " + "q" * question_chars)
        history = talk[-min(most, kept) :]
        prompts.append(
            select(
                SYSTEM, history, question, count=len, max_messages=most, budget_tokens=budget,
                older=len(talk) - len(history), former=former_start(prompts[-1].context) if prompts else None,
            )
        )  # fmt: skip
        talk += [question, Message(f"r{turn}", "assistant", "" if turn in failures else "r" * reply_chars)]
    return prompts


def drops(prompts: Sequence[Prompt]) -> list[int]:
    """The turns whose prompts do not begin with all of the one before."""
    pairs = itertools.pairwise(prompts)
    return [turn for turn, (one, next_one) in enumerate(pairs, 1) if said(next_one)[: len(said(one))] != said(one)]


def test_a_full_window_loses_a_block_every_fourth_turn() -> None:
    prompts = talked([(5, 5)] * 200, most=20, budget=100_000)
    lost = drops(prompts)
    assert len(lost) == 48
    assert all(later - earlier == 4 for earlier, later in itertools.pairwise(lost))
    assert [len(prompt.messages) - 1 for prompt in prompts[8:16]] == [17, 19, 13, 15, 17, 19, 13, 15]


sizes = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=30, max_size=60)


# Long talks: fewer of them, on a machine that may be busy.
LONG = settings(deadline=None, max_examples=30)


@LONG
@given(sizes, st.integers(1, 50), st.integers(200, 2_000))
def test_whatever_is_said_a_prompt_goes_on_from_the_one_before_or_has_lost_a_block(
    sizes: list[tuple[int, int]], most: int, budget: int
) -> None:
    prompts = talked(sizes, most=most, budget=budget)
    for one, next_one in itertools.pairwise(prompts):
        assert sum(entry.included for entry in next_one.context.messages) - 1 <= most
        assert next_one.context.used_tokens <= budget
        assert next_one.messages[1].role == "user"
        if former_start(next_one.context) == former_start(one.context):
            assert said(next_one)[: len(one.messages)] == said(one)


@LONG
@given(st.integers(15, 40), st.integers(0, 200))
def test_a_budget_of_tokens_is_lost_in_blocks_too(chars: int, more: int) -> None:
    prompts = talked([(chars, chars)] * 60, most=1_000, budget=14 * (chars + 8) + 60 + more)
    lost = drops(prompts)
    assert all(later - earlier >= 2 for earlier, later in itertools.pairwise(lost))
    assert all("token_budget" in reasons(prompts[turn]).values() for turn in lost)


@pytest.mark.parametrize("kept", [10, 19, 50])
def test_what_retention_drops_leaves_the_window_in_blocks(kept: int) -> None:
    lost = drops(talked([(5, 5)] * 100, most=1_000, budget=100_000, kept=kept))
    assert lost
    assert all(later - earlier >= kept // 5 for earlier, later in itertools.pairwise(lost))


def test_turns_that_fail_leave_in_blocks_as_well() -> None:
    prompts = talked([(5, 5)] * 100, most=20, budget=100_000, failures=range(10, 80))
    beginnings = [former_start(prompt.context) for prompt in prompts]
    changes = [turn for turn, (one, other) in enumerate(itertools.pairwise(beginnings), 1) if one != other]
    assert all(later - earlier >= 3 for earlier, later in itertools.pairwise(changes))


def test_the_last_exchange_stays_where_a_block_of_it_would_be_all() -> None:
    prompts = talked([(5, 5)] * 3 + [(5, 320), (5, 5)], most=20, budget=420)
    assert [content[:1] for _, content in said(prompts[-1])[1:]] == ["3", "r", "4"]
