"""Thoughts inside the text of a reply: told apart wherever the text is cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianhua.models.port import Corrected, Delta, ReasoningDelta, TextDelta
from lianhua.models.thoughts import MARKS_IN_CODE, PAIRS, SPACE_CHARS, ThoughtSplitter, is_in_code, mentions_marks

HARMONY = "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>{}"
# A reply as the model writes it, its reasoning, its text.
CASES = {
    "think": ("<think>a</think>b", "a", "b"),
    "on lines of their own": ("<think>\na\n\nc\n</think>\n\nb\n", "a\n\nc", "b\n"),
    "white space first": ("\n\n <think>a</think>b", "a", "b"),
    "thinking": ("<thinking>a</thinking>b", "a", "b"),
    "reasoning": ("<reasoning>a</reasoning>b", "a", "b"),
    "thought": ("<thought>a</thought>b", "a", "b"),
    "Magistral": ("[THINK]a[/THINK]b", "a", "b"),
    "Seed": ("<seed:think>a</seed:think>b", "a", "b"),
    "Kimi": ("◁think▷a◁/think▷b", "a", "b"),
    "Cohere": ("<|START_THINKING|>a<|END_THINKING|>b", "a", "b"),
    "Gemma 4": ("<|channel>thought\na\n<channel|>b", "a", "b"),
    "another case": ("<Think>a</THINK>b", "a", "b"),
    "no thoughts": ("<think>\n\n</think>\n\nb", "", "b"),
    "two blocks": ("<think>a</think>\n<think>c</think>b", "ac", "b"),
    "cut in the thoughts": ("<think>a <b", "a <b", ""),
    "no tag": ("a < b, [c], <em>d</em>", "", "a < b, [c], <em>d</em>"),
    "half a tag at the end": ("a <thi", "", "a <thi"),
    "half a tag is all": ("<thi", "", "<thi"),
    "another tag": ("<thinner>a</thinner>", "", "<thinner>a</thinner>"),
    "white space is all": (" \n", "", " \n"),
    "white space stays": ("\n a \n", "", "\n a \n"),
    "nothing": ("", "", ""),
    "a tag later on": ("b <think>a</think>", "", "b <think>a</think>"),
    "a tag after thoughts": ("<think>a</think>b <think>c</think> d", "a", "b <think>c</think> d"),
    "in backticks": ("`<think>` and `</think>`", "", "`<think>` and `</think>`"),
    "the closing one in backticks": ("it ends with `</think>`, yes", "", "it ends with `</think>`, yes"),
    "in a code block": ("```\n<think>a</think>\n```\nb", "", "```\n<think>a</think>\n```\nb"),
    "the closing one in a code block": ("so:\n~~~html\na</think>\n~~~\nb", "", "so:\n~~~html\na</think>\n~~~\nb"),
    "backticks in the thoughts": ("<think>a `</think>` c</think>b", "a `</think>` c", "b"),
    "code in the thoughts": ("<think>a\n```\n</think>\n```\nc</think>b", "a\n```\n</think>\n```\nc", "b"),
    "a code block in the thoughts that never ends": ("<think>a\n```\nc</think>b", "a\n```\nc", "b"),
    "a backtick in the thoughts that never ends": ("<think>a ` c</think>\n\nb", "a ` c", "b"),
    "the closing one alone": ("a\n</think>\n\nb", "a", "b"),
    "the closing one alone, code before": ("a `x` and\n```\ny\n```\n</think>b", "a `x` and\n```\ny\n```", "b"),
    "the closing one alone, of another kind": ("a</thinking>b", "a", "b"),
    "the closing one alone, Magistral": ("a[/THINK]b", "a", "b"),
    "the closing one twice": ("<think>a</think>\n</think>\n\nb", "a", "b"),
    "the closing one first": ("</think>\n\nb", "", "b"),
    "the closing one alone, and a second": ("a</think>b</think>c", "a", "b</think>c"),
    "harmony": (HARMONY.format("a", "b"), "a", "b"),
    "harmony with a beginning": ("<|start|>assistant" + HARMONY.format("a", "b"), "a", "b"),
    "harmony with an end": (HARMONY.format("a", "b<|return|>"), "a", "b"),
    "harmony, final alone": ("<|channel|>final<|message|>b<|end|>", "", "b"),
    "harmony with a call": (
        "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary to=f <|constrain|>json"
        "<|message|>{}<|call|>",
        "a\n\n{}",
        "",
    ),
    "harmony, cut in the header": ("<|channel|>analysis<|message|>a<|end|><|start|>assis", "a", ""),
    "harmony, cut in a mark": ("<|channel|>final<|message|>b <|en", "", "b <|en"),
    "harmony, opened by the template": ("a<|end|><|start|>assistant<|channel|>final<|message|>b", "a", "b"),
    "harmony marks in code": (HARMONY.format("a", "`<|end|>` ends b"), "a", "`<|end|>` ends b"),
    "no harmony": ("<|channel|>" + "x" * 300, "", "<|channel|>" + "x" * 300),
}


def shown(pieces: list[str], *, complete: bool = True) -> tuple[str, str]:
    """The reasoning and the text, as somebody has them who follows the deltas."""
    splitter = ThoughtSplitter()
    reasoning = text = ""
    deltas: list[Delta] = []
    for piece in pieces:
        deltas += splitter.feed(piece)
    for delta in deltas + splitter.close(complete=complete):
        match delta:
            case TextDelta(piece):
                assert piece
                text += piece
            case ReasoningDelta(piece):
                assert piece
                reasoning += piece
            case Corrected(right_text, right_reasoning):
                text, reasoning = right_text, right_reasoning
    return reasoning, text


@pytest.mark.parametrize(("reply", "reasoning", "text"), CASES.values(), ids=CASES)
def test_thoughts_are_known_wherever_the_text_is_cut(reply: str, reasoning: str, text: str) -> None:
    expected = reasoning, text
    assert shown([reply]) == expected
    assert shown(list(reply)) == expected
    for cut in range(1, len(reply)):
        assert shown([reply[:cut], reply[cut:]]) == expected, (reply[:cut], reply[cut:])


@given(st.sampled_from([reply for reply, _, _ in CASES.values()]), st.lists(st.integers(0, 200), max_size=6))
def test_any_cuts_show_the_same(reply: str, cuts: list[int]) -> None:
    ends = sorted({0, len(reply), *(min(cut, len(reply)) for cut in cuts)})
    assert shown([reply[start:end] for start, end in pairwise(ends)]) == shown([reply])


PIECES = st.sampled_from(
    [*PAIRS, *PAIRS.values(), "[THINK]", "[/THINK]", "<|channel|>", "<|message|>", "<|end|>", "<|start|>", "assistant",
     "analysis", "final", "`", "```", "\n", "\n\n", " ", "a", "b c", "<", "◁", "[", "话"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12), st.booleans())
def test_whatever_comes_the_same_is_shown_in_one_piece_and_in_many(pieces: list[str], complete: bool) -> None:
    reply = "".join(pieces)
    assert shown(list(reply), complete=complete) == shown([reply], complete=complete)


@given(st.text(st.characters(exclude_characters="<[◁"), max_size=40), st.text(max_size=3))
def test_text_without_marks_comes_through_as_it_is(text: str, more: str) -> None:
    assert shown([text, *more]) == ("", text + more)


@pytest.mark.parametrize("first", ["a", "The", "话", "`", "1 <", "- [x] "])
def test_text_is_not_held_back(first: str) -> None:
    (delta, *_) = ThoughtSplitter().feed(first)
    assert isinstance(delta, TextDelta)
    assert first.startswith(delta.text)
    assert len(first) - len(delta.text) <= 1


def test_thoughts_are_given_as_they_come() -> None:
    splitter = ThoughtSplitter()
    assert splitter.feed("<think>one") == [ReasoningDelta("one")]
    assert splitter.feed(" two <") == [ReasoningDelta(" two")]
    assert splitter.feed("/think") == []
    assert splitter.feed(">three") == [TextDelta("three")]
    assert splitter.settled


def test_a_closing_mark_is_text_where_the_server_sends_reasoning_apart() -> None:
    splitter = ThoughtSplitter()
    splitter.reasoning_is_apart("h")
    assert splitter.feed("a</think>b") == [TextDelta("a</think>b")]


def test_what_is_held_back_and_looked_through_is_bounded() -> None:
    space = " " * (SPACE_CHARS + 1)
    assert ThoughtSplitter().feed(space) == [TextDelta(space)]
    about = ThoughtSplitter()
    for _ in range(MARKS_IN_CODE):
        about.feed("`</think>` ")
    assert about.settled


LONG = "It is a long answer. " * 20
SPOKEN_OF = [
    "The </think> tag closes them.",
    "It is closed by </think>.",
    "It is closed by </think>",
    "It ends (with </think>) there.",
    'Look for "</think>" in it.',
    "写作</think>。",
    LONG + "The model writes </think> And then it answers.",
    LONG + "A model ends its thoughts with </think>\nThen comes the answer.",
    LONG + "标签</think>表示思考结束",
    LONG + "Use [/THINK] for Magistral",
]
ENDS = [
    ("hm</think>yes", "hm", "yes"),
    ("嗯</think>你好", "嗯", "你好"),
    ("hm </think> Yes", "hm", "Yes"),
    ("I greet. </think> yes", "I greet.", "yes"),
    ('hm</think>"Hello" it is', "hm", '"Hello" it is'),
    ("hm\n</think>- one", "hm", "- one"),
    (LONG + "\n</think>\n\nyes", LONG.strip(), "yes"),
    (LONG + "So I greet.</think>yes", LONG + "So I greet.", "yes"),
    (LONG + "So I greet</think>yes", LONG + "So I greet", "yes"),
    (LONG + "我来问好。</think>你好", LONG + "我来问好。", "你好"),
    (LONG + "我来问好\n</think>\n你好", LONG + "我来问好", "你好"),
]


@pytest.mark.parametrize("reply", SPOKEN_OF)
def test_a_closing_mark_in_the_midst_of_a_sentence_is_text(reply: str) -> None:
    assert shown([reply]) == shown(list(reply)) == ("", reply)


@pytest.mark.parametrize(("reply", "reasoning", "text"), ENDS)
def test_a_closing_mark_at_the_end_of_a_line_or_a_sentence_ends_thoughts(reply: str, reasoning: str, text: str) -> None:
    assert shown([reply]) == shown(list(reply)) == (reasoning, text)


def test_thoughts_that_came_apart_are_not_said_again() -> None:
    splitter = ThoughtSplitter()
    splitter.reasoning_is_apart("one two")
    assert splitter.feed("<think>one") == []
    assert splitter.feed(" two</think>a") == [TextDelta("a")]
    splitter = ThoughtSplitter()
    splitter.reasoning_is_apart("one two")
    assert splitter.feed("<think>one") == []
    assert splitter.feed(" three</think>a") == [ReasoningDelta("one three"), TextDelta("a")]


@pytest.mark.parametrize(("text", "found"), [("what is </think>?", True), ("[/THINK]", True), ("I think", False)])
def test_a_text_about_marks_is_known(text: str, found: bool) -> None:
    assert mentions_marks(text) is found


@pytest.mark.parametrize(
    ("before", "inside"),
    [
        ("", False),
        ("`", True),
        ("`a` ", False),
        ("``a ` b", False),
        ("a `b\nc", False),
        ("```\n", True),
        ("```py\na\n```", False),
        ("```py\na\n```\n", False),
        ("````\n```\n", True),
        ("~~~\n```\n", True),
        ("- ```\n  a", False),
        ("> ```\n> a", True),
        ("```a``` b", False),
    ],
)
def test_code_is_known_by_what_is_before(before: str, inside: bool) -> None:
    assert is_in_code(before) is inside
