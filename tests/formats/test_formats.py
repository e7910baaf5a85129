"""What each of the formats of others brings and loses, by a file made after the real one; and files that are broken."""

import io
import json
import random
import re
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from lianhua.errors import FileCut, FileDamaged, InvalidRequest
from lianhua.formats import archive, links, seal
from lianhua.formats.documents import updated
from lianhua.formats.html_text import as_markdown
from lianhua.formats.identity import name_of
from lianhua.formats.json.source import Allowance
from lianhua.formats.links import link
from lianhua.formats.reader import Kind, items_of, kind_of
from lianhua.formats.report import ImportReport, Tally
from lianhua.formats.thoughts import without_thoughts
from lianhua.formats.tree import instant
from lianhua.formats.values import PortableConversation, is_conversation_id
from tests.formats.test_reader import FILES, LIMIT, NOW, named, native, own, packed, read, said, skipped

FIXTURES = sorted(path.name for path in FILES.iterdir())


def fixture(name: str) -> tuple[list[PortableConversation], ImportReport]:
    return read((FILES / name).read_bytes())


def kept(name: str) -> list[PortableConversation]:
    """As with `keep=unknown`."""
    data = (FILES / name).read_bytes()
    kind = kind_of(io.BytesIO(data), Allowance(LIMIT))
    items = items_of(io.BytesIO(data), kind, Allowance(LIMIT), NOW, Tally(keeps=True))
    return [item for item in items if isinstance(item, PortableConversation)]


def turns(conversation: PortableConversation) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in conversation.messages]


# Open WebUI


def test_open_webui_tells_a_reply_by_its_items_and_a_chat_by_its_line() -> None:
    (items, details), report = fixture("open_webui_all.jsonl")
    assert report.format == "open_webui"
    assert turns(items)[1] == ("assistant", "I look at the clock.\n\nIt is noon.")
    reply = items.messages[1]
    assert reply.reasoning == "Ask the clock.\n\nNoon, then."
    assert reply.usage is not None and (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (12, 34)
    assert skipped(report) == {
        ("part", "code_interpreter"): 2, ("part", "not_understood"): 1, ("part", "tool_call"): 2,
        ("part", "tool_result"): 1,
    }  # fmt: skip
    assert details.title == "With details"


def test_open_webui_has_its_details_between_what_a_reply_says() -> None:
    _, details = fixture("open_webui_all.jsonl")[0]
    reply = details.messages[1]
    assert reply.reasoning == "Look <there>."
    assert reply.content == (
        "First I look.\n\nThen I ask.\n\nIt is one.\n\n"
        '```html\n<details type="reasoning">\n<summary>x</summary>\n</details>\n```\n'
        "<details>\n<summary>More</summary>\nA fold of the reply itself.\n</details>"
    )


@pytest.mark.parametrize(
    ("text", "content", "reasoning"),
    [
        ('<details type="reasoning" done="true">\n> a\n</details>', "", "a"),
        ('a <details type="reasoning">b</details> c', "a \n\n c", "b"),
        ('<details open type=reasoning>b<details>c</details>d</details>e', "e", "b<details>c</details>d"),
        *((text, text, "") for text in ('<details type="reasoning" done="false">\n> never closed', "</details> a")),
        ('<details type="poem">kept</details>', '<details type="poem">kept</details>', ""),
        ("<details" * 3 + ">", "<details<details<details>", ""),
        ('a\n<details done="true" arguments="type=poem" type="tool_calls">b</details>\nc', "a\n\nc", ""),
        ("<DETAILS done='true' TYPE='Reasoning'>b</DETAILS>c", "c", "b"),
        ('<details type="code_interpreter">\n```py\n"</details>"\n```\n</details>\nc', "c", ""),
    ],
)  # fmt: skip
def test_details_of_every_form(text: str, content: str, reasoning: str) -> None:
    message = {"role": "assistant", "content": text}
    data = [{"chat": {"history": {"messages": {"q": {"role": "user", "content": "q"}, "a": message}}}}]
    (found,), _ = read(json.dumps(data).encode())
    replies = [one for one in found.messages if one.role == "assistant"]
    assert [(one.content, one.reasoning) for one in replies] == ([(content, reasoning)] if content else [])


def test_open_webui_tells_what_failed_from_what_was_said() -> None:
    messages = {
        "q": {"role": "user", "content": "q"},
        "a": {"role": "assistant", "parentId": "q", "content": "", "error": {"content": "No credit"}, "done": True},
        "b": {"role": "assistant", "parentId": "q", "content": "Half", "error": True},
        "c": {"role": "assistant", "parentId": "q", "content": "C", "error": None, "merged": {"content": "Of both"}},
        "d": {"role": "assistant", "parentId": "q", "content": "D", "error": False, "merged": {"content": ""}},
    }
    (found,), report = read(json.dumps([{"chat": {"history": {"messages": messages}}}]).encode())
    assert [(one.content, one.status) for one in found.messages] == [
        ("q", "done"), ("Half", "interrupted"), ("C", "done"), ("D", "done"),
    ]  # fmt: skip
    assert skipped(report) == {("message", "empty"): 1, ("part", "not_understood"): 1}
    assert [one.example for one in report.skipped] == ["No credit", None]


# ChatGPT


def test_chatgpt_has_documents_models_and_sources() -> None:
    (found,), report = fixture("chatgpt_canvas.json")
    assert [message.content for message in found.messages if message.role == "assistant"] == [
        "**Plan**\n\n# Plan\n\nStep one.",
        "Here is the plan.",
        "**Plan**\n\n# Plan\n\nStep two.",
        "Tea is a drink ([example.org](https://example.org/tea_%28drink%29), [Second](https://example.com/2)). "
        "It comes from China indeed, says Lu Yu. Old【11†source】.",
        "# Report\n\nTea is old ([Old tea](https://example.org/old)).",
        "Said aloud.",
    ]
    models = [message.model for message in found.messages if message.role == "assistant"]
    assert models[:3] == ["gpt-4o", "gpt-4o-mini", "gpt-5-2"]
    assert found.messages[-1].status == "interrupted", "the length was used up"
    assert not re.search("[\ue000-\uf8ff]", "".join(message.content for message in found.messages))
    assert skipped(report) == {
        ("message", "hidden"): 1, ("message", "tool"): 1, ("message", "tool_call"): 1, ("part", "audio"): 1,
        ("part", "not_understood"): 1,
    }  # fmt: skip


def test_a_pattern_that_a_model_wrote_is_never_run() -> None:
    assert updated("old", [{"pattern": ".*", "replacement": "new"}]) == "new"
    assert updated("a.b a.b", [{"pattern": r"a\.b", "multiple": True, "replacement": "c"}]) == "c c"
    assert updated("a" * 50, [{"pattern": "(a+)+$", "replacement": "c"}]) is None
    assert updated(None, [{"pattern": "a", "replacement": "c"}]) is None


def chatgpt(*messages: dict[str, Any]) -> PortableConversation:
    """A conversation of messages one below the other, after a question."""
    asked = {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["q"]}}
    nodes = {
        str(at): {"parent": str(at - 1) if at else None, "message": one} for at, one in enumerate((asked, *messages))
    }
    (found,), _ = read(json.dumps([{"title": "t", "mapping": nodes}]).encode())
    return found


def reply(text: str, recipient: str = "all", **metadata: Any) -> dict[str, Any]:
    content = {"content_type": "text", "parts": [text]}
    return {"author": {"role": "assistant"}, "recipient": recipient, "content": content, "metadata": metadata}


def test_chatgpt_marks_that_only_say_a_name_or_a_number() -> None:
    page = {"title": "Tea", "url": "https://tea.example", "extra": {"cited_message_idx": 11}}
    found = chatgpt(
        reply('In \ue200entity\ue202["city","Paris","capital"]\ue201 \ue200entity\ue202[broken\ue201now.'),
        reply(
            "Old【11†source】, older【12†source】.", citations=[{"metadata": page}, "none", {"metadata": {"extra": 1}}]
        ),
    )
    assert [one.content for one in found.messages][1:] == [
        "In Paris now.", "Old ([Tea](https://tea.example)), older【12†source】.",
    ]  # fmt: skip


def test_an_update_goes_to_the_document_that_it_fits() -> None:
    create, update = "canmore.create_textdoc", "canmore.update_textdoc"
    found = chatgpt(
        reply(json.dumps({"name": "A", "type": "document", "content": "alpha one"}), create),
        reply(json.dumps({"name": ["B"], "type": "document", "content": "beta two"}), create),
        reply(json.dumps({"updates": [{"pattern": "alpha one", "replacement": "alpha 1"}]}), update),
        reply(json.dumps({"updates": [{"pattern": "gamma", "replacement": "no"}]}), update),
    )
    assert [one.content for one in found.messages][1:] == ["**A**\n\nalpha one", "beta two", "**A**\n\nalpha 1"]


# Claude, DeepSeek and the rest


def test_claude_has_documents_and_thoughts_between_tags_too() -> None:
    text = (
        "<antThinking>Plan.</antThinking>\nHere:\n\n"
        '<antArtifact identifier="a" type="application/vnd.ant.code" language="python" title="Sum">\n'
        "print(1 < 2)\n</antArtifact>\n\nDone. <antArtifact>open"
    )
    blocks = [
        {"type": "thinking", "thinking": "", "summaries": [{"summary": "Weighed."}]},
        {"type": "text", "text": text},
    ]
    messages = [
        {"uuid": "q", "sender": "human", "text": "q", "parent_message_uuid": "00000000-0000-0000-0000-000000000000",
         "files_v2": [{"file_name": "a.png"}]},
        {"uuid": "a", "sender": "assistant", "content": blocks, "parent_message_uuid": "q"},
    ]  # fmt: skip
    (found,), report = read(json.dumps([{"chat_messages": messages}]).encode())
    assert turns(found)[1] == (
        "assistant", "Here:\n\n**Sum**\n\n```python\nprint(1 < 2)\n```\n\nDone. <antArtifact>open",
    )  # fmt: skip
    assert found.messages[1].reasoning == "Weighed.\n\nPlan."
    assert skipped(report) == {("part", "file"): 1}


def test_chat_ui_of_a_database_that_writes_its_numbers_out() -> None:
    said: list[dict[str, Any]] = [
        {"id": "q", "from": "user", "content": "q", "children": ["a", "b", "c"]},
        {"id": "a", "from": "assistant", "content": "A",
         "updates": [{"type": "reasoning", "subtype": "stream", "token": token} for token in ("Th", "ink")]},
        {"id": "b", "from": "assistant", "content": "", "interrupted": True,
         "updates": [{"type": "stream", "token": "Half\0\0"}, {"type": "stream", "token": " a text\0"}]},
        {"id": "c", "from": "assistant", "content": "",
         "updates": [{"type": "finalAnswer", "text": "The end", "interrupted": True}]},
    ]  # fmt: skip
    dated = {"createdAt": {"$date": {"$numberLong": "1700000000000"}}}
    (found,), report = read(json.dumps([{"rootMessageId": "q", **dated, "messages": said}]).encode())
    assert [(one.content, one.depth, one.sibling, one.status) for one in found.messages] == [
        ("q", 0, 0, "done"), ("A", 1, 0, "done"),
        ("Half a text", 1, 1, "interrupted"), ("The end", 1, 2, "interrupted"),
    ]  # fmt: skip
    assert (found.created_at, found.messages[1].reasoning, skipped(report)) == (1700000000.0, "Think", {})


def test_librechat_has_thoughts_between_colons_and_a_text_beside_its_parts() -> None:
    said = [
        {"messageId": "a", "isCreatedByUser": False, "text": ":::thinking\nDeep.\nThought.\n:::\n\nAnswer"},
        {"messageId": "b", "isCreatedByUser": False, "text": "Beside", "content": [{"type": "error", "error": "x"}]},
        {"messageId": "c", "isCreatedByUser": False, "text": ":::thinking\nnever closed"},
    ]
    (found,), _ = read(json.dumps({"conversationId": "c", "messages": said}).encode())
    assert [(one.content, one.reasoning) for one in found.messages] == [
        ("Answer", "Deep.\nThought."), ("Beside", ""), (":::thinking\nnever closed", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("[{}]".encode("utf-16"), "UTF-16"),
        ("[{}]".encode("utf-16-le"), "UTF-16"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"Rar!\x1a", "RAR"),
    ],
)
def test_who_brings_a_file_that_is_no_text_reads_how_to_make_it_one(data: bytes, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        read(data)


def test_an_archive_in_an_archive_is_named() -> None:
    with pytest.raises(InvalidRequest, match=r"bring inner\.zip"):
        archive.documents_of(packed({"inner.zip": packed({"conversations.json": b"[]"}).getvalue()}), Tally())


def test_claude_has_blocks_branches_documents_and_what_was_attached() -> None:
    (rain, old), report = fixture("claude.json")
    assert (report.format, rain.title, rain.created_at) == ("claude", "Rain in Oslo", 1748772000.0)
    assert said(rain) == [
        "Will it rain in Oslo?\n\n**notes.txt**\n\n```\nOslo, June\n```",
        "I look.\n\nYes, in the evening.",
        "Write a note.",
        "**A note**\n\n# Umbrella\nTake one.",
    ]
    first, other = named(rain, "I look"), named(rain, "Another answer")
    assert (first.reasoning, first.parent_id, other.sibling) == ("Look it up.", other.parent_id, 1)
    assert turns(old) == [("user", "Hello"), ("assistant", "Hello to you.")]
    assert skipped(report) == {
        ("conversation", "empty"): 1, ("part", "file"): 1, ("part", "not_understood"): 1, ("part", "tool_call"): 1,
        ("part", "tool_result"): 2,
    }  # fmt: skip


def test_deepseek_is_known_from_chatgpt_in_both_its_forms() -> None:
    (sums, early), report = fixture("deepseek.json")
    assert report.format == "deepseek"
    assert [message.content for message in sums.messages] == [
        "15 × 17 = ?", "255 ([Times table](https://example.org/table))", "二百五十五", "谢谢",
    ]  # fmt: skip
    reply = sums.messages[1]
    assert (reply.reasoning, reply.model) == ("15 × 10 + 15 × 7", "deepseek-reasoner")
    assert sums.created_at == 1754020800.0
    assert turns(early) == [("user", "Hello"), ("assistant", "Hi"), ("user", "Bye")]
    assert early.messages[1].reasoning == "A greeting."
    assert skipped(report) == {("part", "file"): 1, ("part", "not_understood"): 1, ("part", "tool_call"): 1}


def test_nextchat_has_thoughts_in_its_texts() -> None:
    (found,), report = fixture("nextchat.json")
    assert (report.format, found.title) == ("nextchat", "法语")
    assert turns(found) == [("user", "用法语说你好"), ("assistant", "Bonjour"), ("user", "And this?")]
    assert (found.messages[1].reasoning, found.messages[1].model) == ("Simple.", "deepseek-r1")
    assert skipped(report) == {
        ("conversation", "empty"): 1, ("instructions", "not_supported"): 1, ("message", "error"): 1,
        ("part", "image"): 1,
    }  # fmt: skip
    store = json.loads((FILES / "nextchat.json").read_text())["chat-next-web-store"]
    (saved,), _ = read(json.dumps({"chat-next-web-store": {"state": store, "version": 3.3}}).encode())
    assert saved == found, "as the browser's own storage has it"
    sessions = store["sessions"]
    (alone,), report = read(json.dumps(sessions).encode())
    assert (report.format, alone) == ("nextchat", found)


def test_cherry_studio_has_its_texts_and_its_titles_elsewhere() -> None:
    (mountains, old), report = fixture("cherry_studio.json")
    assert (report.format, mountains.title, mountains.pinned) == ("cherry_studio", "Mountains", True)
    assert [message.content for message in mountains.messages] == [
        "Which mountain is the highest?", "Mount Everest.", "It is Chomolungma.", "Show it.",
    ]  # fmt: skip
    assert [message.depth for message in mountains.messages] == [0, 1, 1, 2]
    assert (mountains.messages[1].reasoning, mountains.messages[2].model) == ("The one in Nepal.", "glm-4")
    assert (old.messages[1].content, old.messages[1].reasoning) == ("An old answer", "Old thoughts")
    assert skipped(report) == {("conversation", "empty"): 1, ("part", "image"): 1, ("part", "tool_call"): 1}


def test_cherry_studio_of_the_first_version() -> None:
    messages = [{"id": "a", "role": "user", "content": "Hello"}]
    data = {"version": 1, "indexedDB": [{"key": "topic:t", "value": {"id": "t", "messages": messages}}]}
    (found,), _ = read(json.dumps(data).encode())
    assert turns(found) == [("user", "Hello")]


def test_lobechat_of_the_stores_and_of_the_database() -> None:
    (chat, topic), report = fixture("lobechat.json")
    assert (report.format, chat.title, topic.title, topic.pinned) == (
        "lobechat", "Just chat", "The origin of tea", True,
    )  # fmt: skip
    assert turns(chat) == [("user", "What is tea?"), ("assistant", "A drink.")]
    assert turns(topic) == [("user", "Where from?"), ("assistant", "From China.")]
    assert skipped(report) == {("message", "empty"): 1, ("message", "tool"): 1, ("part", "tool_call"): 1}
    (tea,), _ = fixture("lobechat_database.json")
    assert (tea.title, tea.messages[1].reasoning) == ("Green tea", "Leaves are leaves.")


def test_lobechat_tells_what_failed_from_what_was_said() -> None:
    said = [
        {"id": "q", "role": "user", "content": "...", "createdAt": 1},
        {"id": "a", "role": "assistant", "content": "...", "parentId": "q", "createdAt": 2, "error": {"type": "t"}},
        {"id": "b", "role": "assistant", "content": "Half", "parentId": "q", "createdAt": 3, "error": {"type": "t"}},
        {"id": "c", "role": "assistant", "content": "...", "parentId": "q", "createdAt": 4, "error": None},
    ]
    (found,), report = read(json.dumps({"exportType": "all", "state": {"messages": said}}).encode())
    assert [(one.content, one.status) for one in found.messages] == [("...", "done"), ("Half", "interrupted")]
    assert skipped(report) == {("message", "empty"): 1, ("message", "error"): 1}


def test_chat_ui_with_and_without_ancestors() -> None:
    (bread, old), report = fixture("chat_ui.json")
    assert report.format == "chat_ui"
    assert [message.depth for message in bread.messages] == [0, 1, 1]
    cut = bread.messages[2]
    assert (cut.content, cut.reasoning, cut.status, cut.model) == ("With ti", "Steps.", "interrupted", "Qwen/Qwen3")
    assert turns(old) == [("user", "Hi"), ("assistant", "Hello")]
    assert old.created_at == 1685602800.0


def test_gemini_groups_what_names_its_conversation_and_says_what_does_not() -> None:
    (haiku, rome), report = fixture("gemini.json")
    assert report.format == "gemini"
    assert turns(haiku)[1] == ("assistant", "An old pond\n\n[Bashō](https://example.org/basho)")
    assert said(rome) == [
        "How warm is it in Rome?",
        "About 20 °C. See [Rome](https://example.org/rome)\n\n```\nprint(20)\n```",
        "And in winter?",
        "Then it is **cold**.\n\n- snow\n- ice & wind",
    ]
    assert skipped(report) == {
        ("conversation", "empty"): 1, ("conversation", "not_grouped"): 1, ("part", "file"): 1,
    }  # fmt: skip


def test_gemini_as_a_page() -> None:
    (true, hello), report = fixture("gemini.html")
    assert turns(true) == [("user", "What is 1 < 2?"), ("assistant", "It is **true**.\n\nAlways.")]
    assert turns(hello) == [("user", "你好"), ("assistant", "你好！")]
    assert true.created_at == 1772644020.0
    assert skipped(report) == {
        ("conversation", "no_time"): 1, ("conversation", "not_grouped"): 2, ("conversation", "not_understood"): 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("title", "asked"),
    [
        ("Prompted hello", "hello"), ("Prompted\u00a0He Said hello", "He Said hello"),
        ("已询问 你好", "你好"),
        ("已询问：你好", "你好"), ("Eingegebener Prompt: Hallo", "Hallo"),
        ("送信したメッセージ: 質問: はい", "質問: はい"),
        ("Nieznane: He Said hello, asked Asked why", "Nieznane: He Said hello, asked Asked why"),
        ("Requête\u00a0: Prompted bonjour", "Prompted bonjour"),
    ],
)  # fmt: skip
def test_the_verb_before_a_question_goes_only_from_its_beginning(title: str, asked: str) -> None:
    record = {"title": title, "time": "2026-01-01T00:00:00Z", "safeHtmlItem": [{"html": "<p>a</p>"}]}
    (found,), _ = read(json.dumps([record]).encode())
    assert turns(found) == [("user", asked), ("assistant", "a")]


def page_of(*lines: str) -> bytes:
    """A Takeout page with a record for each line that says when."""
    style = "mdl-cell mdl-cell--6-col mdl-typography--body-1"
    cells = "".join(
        '<div class="outer-cell mdl-cell"><p class="mdl-typography--title">Gemini Apps<br></p>'
        f'<div class="content-cell {style}">Prompted&nbsp;q {number}<br>{line}<br><p>At 10:00:00 in 2026.</p></div>'
        f'<div class="content-cell {style} mdl-typography--text-right"></div></div>'
        for number, line in enumerate(lines)
    )
    return f'<html><head><title>x</title></head><body><div class="mdl-grid">{cells}</div></body></html>'.encode()


def test_gemini_as_a_page_has_its_times_in_the_readers_language() -> None:
    lines = ["04.03.2026, 17:07:00 MEZ", "04/03/2026 17:07:00 CET", "4. 3. 2026 17:07:00 SEČ"]
    found, report = read(page_of(*lines))
    assert [one.created_at for one in found] == [1772644020.0] * 3
    (one,), _ = read(page_of("2026-03-04 16:00:00 says a log<br>04.03.2026, 17:07:00 MEZ"))
    assert turns(one)[0] == ("user", "q 0\n2026-03-04 16:00:00 says a log")
    lines = ["4 mars 2026, 17:07:00 CET", "4 de mar. de 2026, 17:07:00 BRT", "4 мар. 2026 г., 17:07:00 MSK"]
    found, report = read(page_of(*lines, "31.13.2026, 17:07:00 MEZ"))
    assert [turns(one) for one in found] == [
        [("user", f"q {number}"), ("assistant", "At 10:00:00 in 2026.")] for number in range(4)
    ]
    assert {one.created_at for one in found} == {NOW}
    assert skipped(report) == {("conversation", "not_grouped"): 4, ("message", "no_time"): 4}
    assert [one.id for one in found] == [one.id for one in read(page_of(*lines))[0]] + [found[3].id]


def test_a_list_of_messages_is_a_conversation() -> None:
    (found,), report = fixture("messages.json")
    assert (report.format, turns(found)) == ("messages", [("user", "用法语说你好"), ("assistant", "Bonjour")])
    bare = json.loads((FILES / "messages.json").read_text())["messages"]
    (alone,), _ = read(json.dumps(bare).encode())
    assert alone == found


@pytest.mark.parametrize("think", ["Deep.", {"value": "Deep."}, {"text": "Deep."}, {"think": "Deep."}])
def test_librechat_thinks_in_a_text_or_in_an_object(think: Any) -> None:
    content = [{"type": "think", "think": think}, {"type": "text", "text": "Said."}]
    message = {"messageId": "m", "isCreatedByUser": False, "content": content}
    (found,), report = read(json.dumps({"conversationId": "c", "messages": [message]}).encode())
    assert (found.messages[0].content, found.messages[0].reasoning, report.skipped) == ("Said.", "Deep.", ())


# All of them


@pytest.mark.parametrize("name", FIXTURES)
def test_the_same_file_gives_the_same_ids(name: str) -> None:
    first, again = fixture(name)[0], fixture(name)[0]
    assert first == again and first
    ids = [conversation.id for conversation in first]
    assert len(set(ids)) == len(ids) and all(map(is_conversation_id, ids))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("claude.json", "hologram"), ("deepseek.json", "RIDDLE"), ("open_webui_all.jsonl", "oracle"),
        ("open_webui_all.jsonl", "fc_1"), ("chatgpt_canvas.json", "mystery_pointer"), ("librechat.json", "tool_call"),
        ("cherry_studio.json", "toolName"), ("lobechat.json", "apiName"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_kept_where_that_is_asked_for(name: str, text: str) -> None:
    def shown(conversations: list[PortableConversation]) -> str:
        parts = [part for one in conversations for m in one.messages for part in (m.content, m.reasoning)]
        return "\n".join(part for part in parts if "```json\n" in part)

    assert text not in shown(fixture(name)[0])
    assert text in shown(kept(name))


def test_what_is_kept_is_bounded() -> None:
    block = {"type": "riddle", "text_of_it": "x" * 50_000}
    message = {"uuid": "m", "sender": "assistant", "content": [{"type": "text", "text": "Yes."}, block]}
    data = json.dumps([{"uuid": "c", "chat_messages": [message]}]).encode()
    tally = Tally(keeps=True)
    kind = kind_of(io.BytesIO(data), Allowance(LIMIT))
    (found,) = items_of(io.BytesIO(data), kind, Allowance(LIMIT), NOW, tally)
    assert isinstance(found, PortableConversation)
    assert len(found.messages[0].reasoning) < 21_000
    assert ("raw", "shortened") in {(one.what, one.reason) for one in tally.skipped}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>a</think>b", ("b", "a")),
        ("\n<thinking>a\n</thinking>\n\nb", ("b", "a")),
        ("[THINK]a[/THINK]b", ("b", "a")),
        ("◁think▷a◁/think▷b", ("b", "a")),
        ("<think>a</think><think>c</think>b", ("b", "a\n\nc")),
        ("a\n</think>\nb", ("b", "a")),
        ("<think>a", ("<think>a", "")),
        ("It is `<think>a</think>`.", ("It is `<think>a</think>`.", "")),
        ("Say:\n```\n</think>\n```", ("Say:\n```\n</think>\n```", "")),
        ("Use </think> here", ("Use </think> here", "")),
    ],
)
def test_reasoning_stands_before_what_a_reply_says(text: str, expected: tuple[str, str]) -> None:
    assert without_thoughts(text) == expected


def test_times_of_every_form() -> None:
    wanted = 1717236000.0
    forms = (
        "2024-06-01T10:00:00Z",
        "2024/6/1 10:00:00",
        "2024-06-01T18:00:00+08:00",
        {"$date": "2024-06-01T10:00:00Z"},
    )
    assert [instant(form) for form in (*forms, 1717236000, 1717236000000)] == [wanted] * 6
    assert [instant(form) for form in ("6/1/2024, 10:00:00 AM", "x", "", None, [], "2024/13/1 10:00:00")] == [None] * 6


def test_links_lead_only_where_a_browser_should_go() -> None:
    assert link("a [b]", "https://example.org/x") == "[a \\[b\\]](https://example.org/x)"
    for address in (
        "javascript:alert(1)",
        "data:text/html,x",
        "https://a b",
        "file:///etc",
        3,
        None,
        "http://" + "x" * 3000,
    ):
        assert link("a", address) == ""


def test_html_becomes_markdown() -> None:
    text = "<h2>A</h2><ol><li>one<ul><li>deep</li></ul></li><li>two</li></ol><script>x</script>"
    text += '<a href="javascript:x">y</a>'
    assert as_markdown(text) == "## A\n\n1. one\n  - deep\n2. two\n\ny"
    assert as_markdown("no < html") == "no < html"


# Archives


def test_an_archive_is_looked_through_for_what_users_have() -> None:
    record = (FILES / "gemini.json").read_bytes()
    files = {
        "Takeout/archive_browser.html": b"<html><body>index</body></html>",
        "Takeout/Meine Aktivitäten/Gemini-Apps/MeineAktivitäten.json": record,
        "Takeout/x.json": b'{"a":1}',
        "__MACOSX/._MyActivity.json": b"\x00",
    }
    tally = Tally()
    documents = archive.documents_of(packed(files), tally)
    found = {}
    for document in documents:
        with document.open() as inside:
            try:
                found[document.name] = kind_of(inside, Allowance(LIMIT)).format
            except InvalidRequest:
                assert not document.is_named
    assert found == {"Takeout/Meine Aktivitäten/Gemini-Apps/MeineAktivitäten.json": "gemini"}
    assert skipped(tally.report("gemini")) == {("file", "no_conversations"): 1}


# Our own file


def sealed(*pieces: bytes) -> bytes:
    mark = seal.Seal()
    return b"".join(map(mark.over, pieces)) + mark.of_json(1)


def test_an_export_that_was_cut_or_changed_is_noticed() -> None:
    whole = sealed(native(messages=[own("a", content="x" * 3_000)]).removesuffix(b"]}") + b"\n],\n")
    assert seal.check(io.BytesIO(whole), Allowance(LIMIT))
    (found,), _ = read(whole)
    assert len(found.messages) == 1
    for end in [*range(1, len(whole) - 1, 97), len(whole) - 3]:
        assert not seal.check(io.BytesIO(whole[:end]), Allowance(LIMIT))
        with pytest.raises((FileCut, InvalidRequest)) as refused:
            read(whole[:end])
        assert end < 30 or isinstance(refused.value, FileCut), end
    for changed in (whole.replace(b"xxx", b"xxy", 1), whole.replace(b"xxx", b"", 1)):
        with pytest.raises(FileDamaged):
            seal.check(io.BytesIO(changed), Allowance(LIMIT))
    assert not seal.check(io.BytesIO(native()), Allowance(LIMIT)), "older ones have no mark"
    read(json.dumps(json.loads(whole), indent=2).encode())  # printed anew by another program


# Whatever a file holds


WRONG: tuple[Any, ...] = (None, True, -1, 1e300, "", "x", [], {}, [None], [[]], {"a": {}}, [{"type": 3, "text": {}}])


def nodes(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield way
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        yield from nodes(child, (*way, key))


def put(value: Any, way: tuple[Any, ...], wrong: Any) -> Any:
    if not way:
        return wrong
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[way[0]] = put(value[way[0]], way[1:], wrong)
    return copy


@pytest.mark.parametrize("name", [name for name in FIXTURES if name.endswith((".json", ".jsonl"))])
def test_a_wrong_type_anywhere_is_read_or_refused(name: str) -> None:
    text = (FILES / name).read_text()
    value = [json.loads(line) for line in text.splitlines()] if name.endswith(".jsonl") else json.loads(text)
    chance = random.Random(name)
    ways = list(nodes(value))
    for way in ways if len(ways) < 150 else chance.sample(ways, 150):
        try:
            found, _ = read(json.dumps(put(value, way, chance.choice(WRONG))).encode())
        except InvalidRequest:
            continue
        for conversation in found:
            assert conversation.current in {message.id for message in conversation.messages}


@pytest.mark.parametrize("name", FIXTURES)
def test_a_file_that_is_cut_anywhere_is_refused(name: str) -> None:
    data = (FILES / name).read_bytes().rstrip()
    chance = random.Random(name)
    for end in (chance.randrange(1, len(data)) for _ in range(25)):
        try:
            read(data[:end])
        except InvalidRequest:
            continue
        # A page has no end that could be missing, and of lines each is whole.
        assert name.endswith((".html", ".jsonl"))


DEEP = 30_000


@pytest.mark.parametrize(
    "text",
    [
        "[" * DEEP,
        '{"mapping":' * DEEP,
        '{"mapping":{"a":{"message":{"fragments":' + "[" * DEEP + "]" * DEEP + "}}}}",
        '[{"chat_messages":[{"uuid":"a","sender":"human","content":' + "[" * DEEP + "]" * DEEP + "}]}]",
        '{"indexedDB":{"topics":[{"id":"t","messages":' + '[{"a":' * DEEP + "1" + "}]" * DEEP + "}]}}",
        '[{"chat":{"history":{"messages":{"a":{"role":"assistant","content":"' + "<details>" * DEEP + '"}}}}}]',
        '[{"safeHtmlItem":[{"html":"' + "<ul><li>" * DEEP + '"}],"title":"Prompted x","time":"2026-01-01T00:00:00Z"}]',
        '[{"mapping":{"a":{"message":{"author":{"role":"assistant"},"content":{"content_type":"text","parts":["'
        + "\ue200cite" * DEEP + '【' * DEEP + '"]}}}}}]',
        '[{"conversationId":"x","messages":['
        + ",".join(['{"messageId":"a","parentMessageId":"a","isCreatedByUser":true,"text":"x"}'] * 3_000) + "]}]",
    ],
)  # fmt: skip
def test_what_is_deep_long_or_many_ends_soon(text: str) -> None:
    for keeps in (False, True):
        data = text.encode()
        try:
            kind = kind_of(io.BytesIO(data), Allowance(LIMIT))
            list(items_of(io.BytesIO(data), kind, Allowance(LIMIT), NOW, Tally(keeps=keeps)))
        except InvalidRequest:
            pass


def test_ids_depend_on_the_format_and_nothing_else() -> None:
    assert name_of("claude", "x", ()) == name_of("claude", "x", ("a",)) != name_of("chatgpt", "x", ())
    assert name_of("claude", None, ("a", "b")) != name_of("claude", None, ("ab", ""))
    assert is_conversation_id(name_of("claude", 3, ()))


def test_short_marks_do_not_make_a_conversation_long_without_end() -> None:
    mark, long = "\ue200c\ue201", "https://example.org/" + "x" * 1_900
    references = [{"matched_text": mark, "items": [{"title": "t", "url": long}] * 3}]
    content = {"content_type": "text", "parts": [mark * 5_000]}
    message = {"author": {"role": "assistant"}, "content": content, "metadata": {"content_references": references}}
    (found,), _ = read(json.dumps([{"mapping": {"a": {"message": message}}}]).encode())
    assert len(found.messages[0].content) <= links.ROOM_CHARS
    fragments = [
        {"type": "SEARCH", "results": [{"cite_index": 1, "url": long}]},
        {"type": "RESPONSE", "content": "[citation:1]" * 5_000},
    ]
    (found,), _ = read(json.dumps([{"mapping": {"a": {"message": {"fragments": fragments}}}}]).encode())
    assert len(found.messages[0].content) <= links.ROOM_CHARS
    assert updated("ab", [{"pattern": "a", "multiple": True, "replacement": "aa"}] * 100) is None, (
        "it doubles each time"
    )


def test_what_waits_for_others_waits_on_disk() -> None:
    messages = [
        {"id": str(n), "role": "user", "content": "x" * 2_000, "createdAt": n + 1, "topicId": str(n % 150)}
        for n in range(1_500)
    ]
    file = io.BytesIO(json.dumps({"exportType": "all", "state": {"messages": messages}}).encode())
    del messages
    kind = Kind("lobechat", "gathered")
    tracemalloc.start()
    try:
        count = sum(1 for _ in items_of(file, kind, Allowance(LIMIT), NOW, Tally()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 150
    assert peak < 2_500_000, "of 3,000,000 that the texts have"
