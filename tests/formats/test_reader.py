"""Files of other programs, and broken ones, as conversations of ours."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianhua.errors import InvalidRequest
from lianhua.formats import archive, values
from lianhua.formats.json.source import BLOCK_BYTES, Allowance, Source
from lianhua.formats.reader import Item, Kind, items_of, kind_of
from lianhua.formats.report import ImportReport, Tally
from lianhua.formats.tree import Draft, hang, kept_within, seconds
from lianhua.formats.values import PortableConversation, PortableMessage

FILES = Path(__file__).with_name("exports")
NOW = 1_800_000_000.0
LIMIT = 64 * 1024 * 1024


def read(data: bytes) -> tuple[list[PortableConversation], ImportReport]:
    items, report = read_all(data)
    return [item for item in items if isinstance(item, PortableConversation)], report


def read_all(data: bytes) -> tuple[list[Item], ImportReport]:
    tally = Tally()
    kind = kind_of(io.BytesIO(data), Allowance(LIMIT))
    return list(items_of(io.BytesIO(data), kind, Allowance(LIMIT), NOW, tally)), tally.report(kind.format)


def fixture(name: str) -> tuple[list[PortableConversation], ImportReport]:
    return read((FILES / f"{name}.json").read_bytes())


def skipped(report: ImportReport) -> dict[tuple[str, str], int]:
    return {(one.what, one.reason): one.count for one in report.skipped}


def said(conversation: PortableConversation, current: str | None = None) -> list[str]:
    """The texts of the branch that ends with a message, the oldest first."""
    by_id = {message.id: message for message in conversation.messages}
    at = by_id.get(current or conversation.current or "")
    texts: list[str] = []
    while at is not None:
        texts.append(at.content)
        at = by_id.get(at.parent_id or "")
    return texts[::-1]


def named(conversation: PortableConversation, text: str) -> PortableMessage:
    (found,) = [message for message in conversation.messages if text in message.content]
    return found


# Formats


def test_chatgpt_keeps_what_was_said_with_all_its_branches() -> None:
    (first, voice), report = fixture("chatgpt")
    assert report.format == "chatgpt"
    assert (first.id, first.title) == ("6b0f0d9c-1111-4000-8000-000000000001", "复利 Compound interest")
    assert (first.created_at, first.updated_at, first.pinned) == (1756000000.0, 1756000041.5, False)
    assert said(first) == [
        "什么是复利？ 😀",
        "Compound interest is **interest on interest**.",
        "And monthly?",
        "Then there are twelve steps a",
    ]
    assert said(first, named(first, "principal").id) == ["What is simple interest?", "Interest on the principal alone."]
    answers = [named(first, text) for text in ("interest on", "Another")]
    assert [answer.sibling for answer in answers] == [0, 1]
    assert {answer.parent_id for answer in answers} == {named(first, "什么").id}
    assert (answers[0].model, answers[0].timestamp) == ("gpt-5-thinking", 1756000006.123456)
    assert answers[0].reasoning == "Plan\n\nExplain it simply."
    assert named(first, "twelve").status == "interrupted"
    assert named(first, "And monthly?").timestamp == answers[0].timestamp, "without a time: that of the one before"
    assert (voice.title, voice.pinned) == ("Good morning!", True)
    assert values.is_conversation_id(voice.id), "made of the one it has"
    assert said(voice) == ["Good morning!", "Good morning to you."]


def test_chatgpt_reports_all_that_is_not_taken() -> None:
    _, report = fixture("chatgpt")
    assert skipped(report) == {
        ("conversation", "empty"): 1,
        ("message", "empty"): 1,
        ("message", "hidden"): 1,
        ("message", "reasoning_recap"): 1,
        ("message", "tool"): 1,
        ("message", "tool_call"): 1,
        ("part", "audio"): 1,
        ("part", "image"): 1,
    }


def test_open_webui_in_both_its_forms() -> None:
    (chat, old), report = fixture("open_webui")
    assert (chat.title, chat.pinned, chat.created_at, chat.updated_at) == (
        "Fifteen times seventeen", True, 1700000000.0, 1700000030.0,
    )  # fmt: skip
    assert said(chat) == ["What is 15 * 17?", "It is 25"]
    right = named(chat, "255")
    assert (right.content, right.reasoning) == ("255", "15 * 17 = 15 * 10 + 15 * 7\n= 255")
    assert right.usage is not None
    assert (right.usage.prompt_tokens, right.usage.completion_tokens) == (12, 40)
    assert named(chat, "It is 25").status == "interrupted"
    assert said(old) == ["Hello", "Hi"]
    assert old.created_at == 1699999000.0, "milliseconds there"
    assert skipped(report) == {
        ("message", "empty"): 1,
        ("message", "system"): 1,
        ("part", "file"): 1,
        ("part", "image"): 2,
        ("part", "tool_call"): 1,
    }


def test_librechat_is_the_same_flat_and_nested() -> None:
    (flat,), report = fixture("librechat")
    (nested,), also = fixture("librechat_tree")
    assert [message.content for message in flat.messages] == [message.content for message in nested.messages]
    assert [message.depth for message in flat.messages] == [message.depth for message in nested.messages]
    assert said(flat) == said(nested) == [
        "Tell me a longer story", "Between towering mountains\n\nlay a forest.", "Go on",
    ]  # fmt: skip
    assert flat.created_at == 1716919735.014
    assert named(flat, "towering").reasoning == "Longer, then."
    assert named(flat, "In an age").status == "interrupted"
    assert skipped(report) == skipped(also) == {
        ("message", "error"): 1,
        ("part", "file"): 1,
        ("part", "tool_call"): 1,
    }  # fmt: skip


def test_chatgpt_may_come_as_one_conversation_or_inside_of_an_object() -> None:
    whole = json.loads((FILES / "chatgpt.json").read_text())
    (alone,), _ = read(json.dumps(whole[0]).encode())
    (first, _), _ = read(json.dumps({"conversations": whole}).encode())
    assert [message.content for message in alone.messages] == [message.content for message in first.messages]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"3",
        b"[]",
        b"{}",
        b'["mapping"]',
        b'[{"a":{"mapping":1}}]',
        b'{"version":4,"history":1',
        b"\xff\xfe[",
    ],
)
def test_what_is_no_export_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(data)
    assert refused.value.field == "file"


# Broken structures


def node(parent: object, text: object = "said", role: str = "user", at: object = 1.0) -> dict[str, Any]:
    content = {"content_type": "text", "parts": [text]}
    return {"parent": parent, "message": {"author": {"role": role}, "create_time": at, "content": content}}


def chat(mapping: dict[str, Any], current: object = None) -> bytes:
    return json.dumps([{"title": "t", "current_node": current, "mapping": mapping}]).encode()


def test_a_knot_is_cut_and_a_missing_parent_makes_a_root() -> None:
    (found,), report = read(
        chat({"a": node("c", "a"), "b": node("a", "b"), "c": node("b", "c"), "own": node("own"), "d": node("x", "d")})
    )
    assert len(found.messages) == 5
    assert sum(message.parent_id is None for message in found.messages) == 3
    assert skipped(report) == {("message", "cycle"): 2, ("message", "parent_missing"): 1}


def test_a_name_that_comes_twice_loses_nothing() -> None:
    mapping = b'"a":' + json.dumps(node(None, "one")).encode() + b',"a":' + json.dumps(node(None, "two")).encode()
    (found,), report = read(b'[{"mapping":{' + mapping + b"}}]")
    assert sorted(message.content for message in found.messages) == ["one", "two"]
    assert skipped(report) == {("message", "duplicate_id"): 1}


def test_half_characters_and_control_characters_are_counted() -> None:
    data = chat({"a": node(None, "X")}).replace(b"X", rb"a\ud800b\u0000c\\ud800 \ud83d\ude00 \udc00\ud83d").replace(
        b'"t"', b'"a\\u0007b"'
    )  # fmt: skip
    (found,), report = read(data)
    assert found.messages[0].content == "a�bc\\ud800 😀 ��"
    assert found.title == "ab"
    assert skipped(report) == {("character", "half"): 3, ("character", "control"): 1}


@pytest.mark.parametrize("shift", range(14))
def test_a_character_is_whole_wherever_the_file_is_cut_into_blocks(shift: int) -> None:
    text = "😀你" * 9_000
    data = json.dumps("x" * shift + text).encode()
    source = Source(io.BytesIO(data), Allowance(LIMIT), LIMIT)
    read_back = b"".join(iter(lambda: source.read(BLOCK_BYTES), b""))
    assert read_back == data
    assert source.halves == 0


@pytest.mark.parametrize("number", ["9" * 5_000, "1e999999999999", "1e999", "-1", "null", '"1"', "true", "[1]", "{}"])
def test_a_time_that_is_none_does_no_harm(number: str) -> None:
    data = chat({"a": node(None, at="AT")}).replace(b'"AT"', number.encode())
    try:
        (found,), _ = read(data)
    except InvalidRequest as refused:
        assert "beyond 64 bits" in refused.message
    else:
        assert found.messages[0].timestamp == NOW


def test_depth_without_end_is_passed_over() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    (found,), _ = read(
        chat({"a": node(None), "b": {"parent": "DEEP", "message": None}}).replace(b'"DEEP"', deep.encode())
    )
    assert len(found.messages) == 1


def test_a_thousand_answers_deep_is_no_deeper_than_others() -> None:
    depth = 5_000
    message = '{"messageId":"%d","isCreatedByUser":true,"text":"x","children":['
    data = '{"conversationId":"c","messagesTree":[' + "".join(message % n for n in range(depth)) + "]}" * depth + "]}"
    (found,), _ = read(data.encode())
    assert [message.depth for message in found.messages] == list(range(depth))


def test_a_piece_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lianhua.formats.reader.CONVERSATION_BYTES", 200_000)
    small = chat({"a": node(None, "x" * 100_000)})[1:-1]
    conversations, _ = read(b"[" + b",".join([small] * 5) + b"]")
    assert len(conversations) == 5
    with pytest.raises(InvalidRequest, match="in one piece"):
        read(chat({"a": node(None, "x" * 400_000)}))


def test_too_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lianhua.formats.json.builder.VALUES", 1_000)
    with pytest.raises(InvalidRequest, match="values"):
        read(chat({str(number): node(None) for number in range(300)}))


_NAMES = """
    mapping chat history messages currentId current_node parent parentId message author role content content_type parts
    text thoughts create_time timestamp title id conversationId messagesTree children messageId parentMessageId user
    assistant metadata recipient isCreatedByUser files type think format version lianhua conversations options a b
"""
_key = st.sampled_from(_NAMES.split())
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_key, inner, max_size=5),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None)
@given(_json)
def test_whatever_the_file_holds_it_is_read_or_refused(value: Any) -> None:
    for wrapped in (
        value,
        [value],
        {"mapping": {"a": value, "b": value}},
        {"chat": value},
        {"conversationId": 1, "messages": value},
    ):
        try:
            conversations, _ = read(json.dumps(wrapped).encode())
        except InvalidRequest:
            continue
        for conversation in conversations:
            assert conversation.current in {message.id for message in conversation.messages}


_draft = st.builds(
    Draft,
    key=st.sampled_from("abcdefgh"),
    parent=st.none() | st.sampled_from("abcdefghxyz"),
    role=st.sampled_from(["user", "assistant", None]),
    content=st.text(max_size=3),
    time=st.none() | st.floats(1, 100),
    reasoning=st.sampled_from(["", "thought"]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_draft, max_size=12), st.sampled_from("abcdefghx"))
def test_every_kept_message_hangs_once_below_one_that_came_before(drafts: list[Draft], current: str) -> None:
    tally = Tally()
    wanted = sorted(draft.content for draft in drafts if draft.role)
    grown = hang(drafts, current, 1.0, tally)
    assert sorted(message.content for message in grown.messages) == wanted
    seen: set[str | None] = {None}
    for message in grown.messages:
        assert message.parent_id in seen
        seen.add(message.id)
    assert (grown.current in seen) and (grown.current is not None) == bool(grown.messages)
    assert grown.current not in {message.parent_id for message in grown.messages} - {None}


def test_times_of_every_unit_become_seconds() -> None:
    assert [seconds(value) for value in (1_700_000_000, 1_700_000_000_000, 1.7e15, 1.7e18)] == [1.7e9] * 4
    assert [seconds(value) for value in (None, True, "1", -1, 0, float("inf"), float("nan"), 10**30)] == [None] * 8


def test_retention_lets_in_the_newest_and_the_pinned() -> None:
    messages = [PortableMessage(id=str(n), role="user", content="", timestamp=n, pinned=n in (1, 4)) for n in range(8)]
    assert [message.id for message in kept_within(messages, 3)] == ["1", "4", "5", "6", "7"]
    assert kept_within(messages, 0) == kept_within(messages, 6) == messages


# Our own file


def native(**conversation: Any) -> bytes:
    base = {"id": "x", "role": "assistant", "created_at": 1, "updated_at": 2}
    return json.dumps({"format": "lianhua", "version": 1, "conversations": [base | conversation]}).encode()


def own(name: str, parent: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": name, "role": "user", "content": name, "timestamp": 1, "parent_id": parent} | more


@pytest.mark.parametrize(
    ("conversation", "where"),
    [
        ({"messages": [own("a", role="system")]}, "conversations[0].messages[0].role"),
        ({"messages": [own("a"), own("b", content=3)]}, "conversations[0].messages[1].content"),
        ({"messages": [own("a b")]}, "conversations[0].messages[0].id"),
        ({"messages": [own("-")]}, "conversations[0].messages[0].id"),
        ({"messages": [own("a", timestamp=1e300)]}, "conversations[0].messages[0].timestamp"),
        ({"messages": [own("a", usage={"prompt_tokens": 1})]}, "conversations[0].messages[0].usage"),
        ({"title": "x" * 201}, "conversations[0].title"),
        ({"secret": 1}, "conversations[0]"),
        ({"messages": 3}, "conversations[0].messages"),
    ],
)
def test_what_does_not_fit_our_format_is_named(conversation: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(native(**conversation))
    assert refused.value.field == where


@pytest.mark.parametrize("version", [0, 2, "1", None, [1]])
def test_an_unknown_version_is_refused(version: Any) -> None:
    data = json.dumps({"format": "lianhua", "version": version, "conversations": []}).encode()
    with pytest.raises(InvalidRequest) as refused:
        read(data)
    assert refused.value.field == "version"


def test_a_broken_tree_of_the_native_format_is_mended_and_said() -> None:
    (found,), report = read(
        native(
            messages=[own("a", "c"), own("b", "a"), own("c", "b"), own("a"), own("d", "gone", depth=7)],
            branches=[[0, 5, 3]],
            current="nobody",
        )
    )
    assert {message.id: message.depth for message in found.messages} == {"a": 0, "b": 1, "c": 2, "d": 7}
    assert found.current == "d"
    assert skipped(report) == {("message", "cycle"): 1, ("message", "duplicate_id"): 1, ("tree", "mended"): 1}


def test_a_file_that_goes_on_after_its_end_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="not JSON"):
        read(native() + b"]")


def test_control_characters_stay_in_replies_only() -> None:
    (found,), report = read(
        native(messages=[own("a", content="a\x07"), own("b", "a", role="assistant", content="b\x1b")])
    )
    assert [message.content for message in found.messages] == ["a", "b\x1b"]
    assert skipped(report) == {("character", "control"): 1}


# Archives


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as writer:
        for name, data in files.items():
            writer.writestr(name, data)
    return file


def test_an_archive_is_read_in_all_its_pieces() -> None:
    one, two = chat({"a": node(None, "one")}), chat({"a": node(None, "two")})
    file = packed(
        {"user.json": b"{}", "x/conversations-001.json": two, "x/conversations-000.json": one, "dog.png": b"x"}
    )
    tally = Tally()
    texts = []
    for document in archive.documents_of(file, tally):
        with document.open() as inside:
            kind = kind_of(inside, Allowance(LIMIT))
        assert kind == Kind("chatgpt", "list")
        with document.open() as inside:
            for item in items_of(inside, kind, Allowance(LIMIT), NOW, tally):
                assert isinstance(item, PortableConversation)
                texts += said(item)
    assert texts == ["one", "two"]
    assert skipped(tally.report("chatgpt")) == {("file", "no_conversations"): 2}


def test_what_comes_out_of_an_archive_is_bounded() -> None:
    (document,) = archive.documents_of(packed({"conversations.json": b"[" + b" " * 20_000_000 + b"]"}), Tally())
    with document.open() as file, pytest.raises(InvalidRequest, match="more than 1 MB"):
        kind_of(file, Allowance(1024 * 1024))


def _torn() -> bytes:
    data = bytearray(packed({"conversations.json": b"x" * 5_000}, zipfile.ZIP_STORED).getvalue())
    data[60] ^= 1
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"PK\x03\x04",
        b"PK\x03\x04" + bytes(100_000),
        packed({"a.txt": b""}).getvalue(),
        packed({"a.json": b"[]", "b.json": b"[]"}).getvalue(),
        packed({"conversations.json": b"[]"}, zipfile.ZIP_BZIP2).getvalue(),
        packed({"conversations.json": b"[]"}).getvalue()[:-30],
        _torn(),
    ],
)
def test_a_broken_archive_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest):
        for document in archive.documents_of(io.BytesIO(data), Tally()):
            with document.open() as file:
                kind_of(file, Allowance(LIMIT))


def test_an_endless_list_of_files_is_not_even_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "DIRECTORY_BYTES", 1_000)
    with pytest.raises(InvalidRequest, match="list of files"):
        archive.documents_of(packed({f"{number}.json": b"" for number in range(50)}), Tally())


def test_native_ids_are_what_a_conversation_can_be_asked_for_by() -> None:
    assert values.is_conversation_id("6b0f0d9c-1111-4000-8000-000000000001")
    assert not any(map(values.is_conversation_id, ("voice", "6B0F0D9C-1111-4000-8000-000000000001", None, 3)))
