"""What a file could ask too much of: figures, branches, children, documents, time. And names that nobody can read."""

import io
import json
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lianhua.chat.messages import Spent, Usage
from lianhua.chat.personas import DEFAULT_ROLE, OwnPersona
from lianhua.errors import InvalidRequest
from lianhua.formats import archive
from lianhua.formats.branches import are_sound, grown
from lianhua.formats.json.source import Allowance
from lianhua.formats.reader import Settings, items_of, kind_of
from lianhua.formats.report import Tally
from lianhua.formats.values import TOKENS, Branch, PortableMessage
from tests.formats.test_reader import LIMIT, NOW, chat, native, node, own, packed, read, read_all, skipped

MEND = {("tree", "mended"): 1}


# Figures


@pytest.mark.parametrize("figure", [10**15, 2**53 - 2, 2**62, -1])
def test_figures_beyond_counting_are_bounded(figure: int) -> None:
    spent = {"turns": figure, "prompt": figure, "completion": 3, "estimated": figure}
    message = own("a", usage={"prompt_tokens": figure, "completion_tokens": 3})
    (found,), report = read(native(usage={"m": spent}, messages=[message]))
    bound = TOKENS if figure > 0 else 0
    assert found.usage == {"m": Spent(bound, bound, 3, bound)}
    assert found.messages[0].usage == Usage(bound, 3)
    assert skipped(report) == {("usage", "mended"): 2}


def test_figures_of_others_are_bounded_too() -> None:
    usage = {"prompt_tokens": 10**15, "completion_tokens": 3}
    message = {"id": "m", "role": "assistant", "content": "x", "usage": usage}
    (found,), report = read(json.dumps([{"chat": {"history": {"messages": {"m": message}}}}]).encode())
    assert found.messages[0].usage == Usage(TOKENS, 3)
    assert skipped(report) == {("usage", "mended"): 1}


# Names


def test_names_that_a_model_has_made_are_mended() -> None:
    message = own("a", role="assistant", model="m\x1b", persona="\x00", code="c\x9f")
    spent = dict.fromkeys(("turns", "prompt", "completion", "estimated"), 1)
    (found,), report = read(
        native(title="a\x07b", role="\x01", model="m\n", usage={"m\x00": spent}, messages=[message])
    )
    assert (found.title, found.role, found.model, found.usage) == ("ab", DEFAULT_ROLE, "m", {"m": Spent(1, 1, 1, 1)})
    said = found.messages[0]
    assert (said.model, said.persona, said.code) == ("m", None, "c")
    assert skipped(report) == {("character", "control"): 7}


def whole(**fields: Any) -> bytes:
    return json.dumps({"format": "lianhua", "version": 1, **fields, "conversations": []}).encode()


def test_personas_and_settings_are_mended_or_refused() -> None:
    persona = {"id": "own-0123456789", "name": "\x07", "icon": "", "description": "d\x00", "prompt": "p\n"}
    (found, chosen), report = read_all(whole(personas=[persona], settings={"default_model": "m\x07"}))
    assert isinstance(found, OwnPersona)
    assert (found.name, found.description, found.prompt) == ("own-0123456789", "d", "p\n")
    assert chosen == Settings({"default_model": "m"})
    assert skipped(report) == {("character", "control"): 3}
    with pytest.raises(InvalidRequest) as refused:
        read_all(whole(personas=[{**persona, "prompt": "\x07"}]))
    assert refused.value.field == "personas[0].prompt"
    for wrong in ({"default_role": "x" * 201}, {"x" * 201: "y"}, {"a": ""}, {str(n): "x" for n in range(101)}):
        with pytest.raises(InvalidRequest) as refused:
            read_all(whole(settings=wrong))
        assert refused.value.field.startswith("settings")


def test_a_field_that_comes_twice_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="twice"):
        read_all(b'{"format":"lianhua","version":1,"settings":{},"settings":{},"conversations":[]}')


# MessageStore


def test_a_long_chain_of_branches_is_made_anew_from_the_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = [[None, -1, 0], *([number - 1, number - 1, number] for number in range(1, 50))]
    messages = [own("a", "gone", depth=49, branch=49), own("b", pinned=True)]
    (found,), report = read(native(branches=chain, messages=messages))
    assert (len(found.branches), skipped(report)) == (50, {})
    monkeypatch.setattr("lianhua.formats.native.BRANCHES", 49)
    (found,), report = read(native(branches=chain, messages=messages))
    assert (found.branches, skipped(report)) == ((Branch(None, -1, 49), Branch(None, -1, 0)), MEND)


def test_a_tree_of_too_many_branches_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lianhua.formats.convert.BRANCHES", 5)
    with pytest.raises(InvalidRequest, match="more than 5 branches"):
        read(native(messages=[own(f"m{number}") for number in range(6)]))
    with pytest.raises(InvalidRequest, match="more than 5 branches"):
        read(chat({str(number): node(None) for number in range(6)}))


@pytest.mark.parametrize(
    ("branches", "messages"),
    [
        # Two at one place: each would be on the way to what hangs below the other.
        ([[None, -1, 1]], [own("a"), own("b", "a", depth=1), own("c", "a", depth=1, sibling=1)]),
        # On its parent's branch by its parent, on another by its label.
        ([[None, -1, 1], [None, -1, 1]], [own("a"), own("b", "a", depth=1, branch=1)]),
        # At the place of the parent that was dropped stands another one.
        ([[None, -1, 6]], [own("a", "gone", depth=5, pinned=True), own("b", "other", depth=6)]),
        # Two that were dropped at one place.
        (
            [[None, -1, 5], [0, 4, 5]],
            [own("a", "gone", depth=5), own("b", "other", depth=5, branch=1)],
        ),
        ([[None, -1, 3]], [own("a", depth=3)]),
        ([[None, -1, 3]], [own("a", "gone")]),
        ([[None, -1, 0], [None, -1, 0]], [own("a"), own("b", branch=1)]),  # both the first child
        ([[1, 0, 1], [None, -1, 1]], [own("a", branch=1)]),  # from a younger one
    ],
)
def test_branches_that_contradict_the_tree_are_made_anew(branches: Any, messages: list[dict[str, Any]]) -> None:
    (found,), report = read(native(branches=branches, messages=messages))
    assert skipped(report) == MEND
    assert are_sound(found.messages, found.branches)


_tree = st.lists(st.integers(0, 30), max_size=12)


def _messages(parents: list[int]) -> list[PortableMessage]:
    """Each below an earlier one, or a beginning."""
    return [
        PortableMessage(
            id=f"m{n}", role="user", content="", timestamp=n, parent_id=f"m{at}" if (at := p - 1) >= 0 else None
        )
        for n, p in enumerate(min(parent, n) for n, parent in enumerate(parents))
    ]


def _way_by_branches(branches: tuple[Branch, ...], to: PortableMessage) -> dict[int, int]:
    """As the store climbs."""
    way: dict[int, int] = {}
    branch: int | None = to.branch
    depth = to.depth
    while branch is not None:
        way[branch] = depth
        branch, depth = branches[branch].parent, min(branches[branch].fork, depth)
    return way


@settings(max_examples=300, deadline=None)
@given(_tree, st.data())
def test_sound_branches_tell_who_is_above_whom(parents: list[int], data: st.DataObject) -> None:
    messages, branches = grown(_messages(parents))
    assert are_sound(messages, branches)
    if messages and data.draw(st.booleans()):  # a wrong label somewhere
        place = data.draw(st.integers(0, len(messages) - 1))
        wrong = replace(messages[place], branch=data.draw(st.integers(0, len(branches) - 1)))
        messages = [*messages[:place], wrong, *messages[place + 1 :]]
    if not are_sound(messages, branches):
        return
    by_id = {message.id: message for message in messages}
    for message in messages:
        above = {message.id}
        while (parent := by_id[message.id].parent_id) and (message := by_id[parent]):
            above.add(parent)
        last = by_id[max(above, key=lambda name: by_id[name].depth)]
        way = _way_by_branches(branches, last)
        assert above == {one.id for one in messages if one.depth <= way.get(one.branch, -1)}


@settings(max_examples=200, deadline=None)
@given(_tree, st.sets(st.integers(0, 11)))
def test_what_retention_has_dropped_makes_no_label_wrong(parents: list[int], dropped: set[int]) -> None:
    messages, branches = grown(_messages(parents))
    assert are_sound([message for place, message in enumerate(messages) if place not in dropped], branches)


# Memory


_MEASURED = """
import io, resource, sys
from lianhua.errors import InvalidRequest
from lianhua.formats.reader import items_of, kind_of
from lianhua.formats.report import Tally
from lianhua.formats.json.source import Allowance
beginning, piece, keeps = sys.argv[1:]
data = beginning.encode() + piece.encode() * (4_000_000 // len(piece))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    kind = kind_of(io.BytesIO(data), Allowance(2**29))
    list(items_of(io.BytesIO(data), kind, Allowance(2**29), 0.0, Tally(keeps=keeps == "keep")))
except InvalidRequest:
    pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize(
    ("beginning", "piece", "keeps"),
    [
        ('{"format":"lianhua","version":1,"conversations":[{"messages":[', "[],", ""),
        ('{"format":"lianhua","version":1,"conversations":[', "[", ""),
        ('[{"mapping":{"a":{"message":{"author":{"role":"user"},"content":{"parts":[', "{},", "keep"),
        ('[{"current_node":"a","mapping":{', '"a":{},', ""),
        ('[{"safeHtmlItem":[', "{},", ""),
    ],
)
def test_what_four_kilobytes_unpack_to_takes_little_memory(beginning: str, piece: str, keeps: str) -> None:
    command = [sys.executable, "-c", _MEASURED, beginning, piece, keeps]
    grown_mb = int(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    assert grown_mb < 64


# Children


def test_the_newest_children_of_a_parent_come_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lianhua.formats.tree.CHILDREN", 3)
    replies = [own(f"r{number}", "a", sibling=number) for number in range(5)]
    below = [own("x", "r0"), own("y", "x"), own("z", "r4")]
    (found,), report = read(native(messages=[own("a"), *replies, *below], current="y"))
    assert [message.id for message in found.messages] == ["a", "r2", "r3", "r4", "z"]
    assert (found.current, skipped(report)) == ("z", {("message", "too_many_siblings"): 4})
    nodes = {f"n{number}": node(None, f"text {number}", at=number + 1.0) for number in range(5)}
    (found,), report = read(chat(nodes, "n0"))
    assert [message.content for message in found.messages] == ["text 2", "text 3", "text 4"]
    assert (found.current, skipped(report)) == (found.messages[-1].id, {("message", "too_many_siblings"): 2})


# All documents of an archive together


def _read_all_of(file: io.BytesIO, look: Allowance, allowance: Allowance) -> int:
    documents = archive.documents_of(file, Tally())
    kinds = []
    for document in documents:
        with document.open() as inside:
            kinds.append(kind_of(inside, look))
    count = 0
    for document, kind in zip(documents, kinds, strict=True):
        with document.open() as inside:
            count += len(list(items_of(inside, kind, allowance, NOW, Tally())))
    return count


def _archive(documents: int) -> io.BytesIO:
    one = b"[" + b" " * 400_000 + chat({"a": node(None)})[1:]
    return packed({f"conversations-{number:03d}.json": one for number in range(documents)})


def test_the_bytes_of_all_documents_count_together() -> None:
    assert _read_all_of(_archive(2), Allowance(1024**2), Allowance(1024**2)) == 2
    with pytest.raises(InvalidRequest, match="more than 1 MB"):
        _read_all_of(_archive(3), Allowance(LIMIT), Allowance(1024**2))
    with pytest.raises(InvalidRequest, match="more than 1 MB"):
        _read_all_of(_archive(3), Allowance(1024**2), Allowance(LIMIT))


def test_the_conversations_of_all_documents_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lianhua.formats.json.source.CONVERSATIONS", 2)
    assert _read_all_of(_archive(2), Allowance(LIMIT), Allowance(LIMIT)) == 2
    with pytest.raises(InvalidRequest, match="more than 2 conversations"):
        _read_all_of(_archive(3), Allowance(LIMIT), Allowance(LIMIT))


def test_an_archive_of_too_many_documents_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "DOCUMENTS", 2)
    with pytest.raises(InvalidRequest, match="more than 2 files"):
        archive.documents_of(_archive(3), Tally())


def test_nothing_is_read_after_its_time() -> None:
    late = Allowance(LIMIT, time.monotonic() - 1)
    with pytest.raises(InvalidRequest, match="too long"):
        kind_of(io.BytesIO(native()), late)
