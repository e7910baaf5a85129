"""Conversations as files: out, in, from elsewhere, and what is refused."""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import aiohttp
import pytest

from tests.conftest import SCRIPT, StartServer
from tests.support.client import Answer, Client, events, shown, turns
from tests.support.store_dump import dump

EXPORTS = Path(__file__).parents[1] / "formats" / "exports"
JSON = {"Content-Type": "application/json"}
ZIP = {"Content-Type": "application/zip"}
BYTES = {"Content-Type": "application/octet-stream"}


async def bring(client: Client, file: bytes, headers: dict[str, str] | None = None) -> Any:
    answer = await client.ask("POST", "/api/import", file, headers or JSON)
    assert answer.status == 200, answer.body
    return answer.json


def packed(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


async def take(client: Client, path: str = "/api/export", **query: Any) -> Answer:
    answer = await client.ask("GET", path, **query)
    assert answer.status == 200, answer.body
    return answer


def named(answer: Answer) -> str:
    """The name that a browser gives the file."""
    found = re.fullmatch(
        r"attachment; filename=\"[a-z.]+\"; filename\*=UTF-8''(\S+)", answer.headers["Content-Disposition"]
    )
    assert found
    return unquote(found[1])


def skipped(report: Any) -> dict[tuple[str, str], int]:
    return {(one["what"], one["reason"]): one["count"] for one in report["skipped"]}


async def talked(client: Client) -> str:
    """A conversation with a retry, an edit, a pinned message and a branch that was turned back to."""
    conversation = await client.create(title='复利/1: "yes"', role="teacher")
    first = (await client.say(conversation, "hello")).turn
    for body in ({"retry": first["reply_message_id"]}, {"edit": first["user_message_id"], "message": "another"}):
        begun = await client.ask("POST", turns(conversation), body)
        assert begun.status == 202, begun.body
        await client.read(begun.json["events_url"])
    path = f"/api/conversations/{conversation}"
    await client.ask("PATCH", f"{path}/branch", {"message_id": first["reply_message_id"]})
    await client.ask("PATCH", f"{path}/messages/{first['user_message_id']}", {"pinned": True})
    return conversation


async def test_a_server_gives_back_what_another_one_gave(
    alice: Client, start_server: StartServer, session: aiohttp.ClientSession
) -> None:
    conversation = await talked(alice)
    await alice.ask(
        "POST", "/api/personas", {"name": "海盗", "icon": "🏴", "description": "", "prompt": "Talk like one"}
    )
    await alice.ask("PATCH", "/api/settings", {"language": "en"})
    answer = await take(alice)
    assert (answer.headers["Content-Type"], named(answer)) == ("application/json", "lianhua.json")
    there = Client(session, start_server(LIANHUA_SCRIPT=str(SCRIPT)).url, "carol")
    report = await bring(there, answer.body)
    assert report == {
        "format": "lianhua", "imported": {"conversations": 1, "messages": 5, "personas": 1}, "skipped": [],
    }  # fmt: skip
    assert (await take(there)).body == answer.body
    path = f"/api/conversations/{conversation}"
    shown = [{**message, "turn_id": None} for message in await alice.messages(conversation)]
    assert shown[0]["content"] == "hello"
    assert [{**message, "turn_id": None} for message in await there.messages(conversation)] == shown
    # It goes on like one that has always been here.
    await there.say(conversation, "and now?")
    other = shown[0]["siblings"][1]
    turned = await there.ask("PATCH", f"{path}/branch", {"message_id": other})
    assert turned.status == 200
    assert (await there.messages(conversation))[0]["content"] == "another"


async def test_one_conversation_leaves_under_its_title(alice: Client) -> None:
    conversation = await talked(alice)
    path = f"/api/conversations/{conversation}/export"
    answer = await take(alice, path)
    assert named(answer) == "复利 1 yes.json"
    assert [one["id"] for one in answer.json["conversations"]] == [conversation]
    assert "key" not in answer.body.decode()
    report = await bring(alice, answer.body)
    assert (report["imported"]["conversations"], skipped(report)["conversation", "known_already"]) == (0, 1)
    text = await take(alice, path, format="markdown")
    assert (text.headers["Content-Type"], named(text)) == ("text/markdown; charset=utf-8", "复利 1 yes.md")
    assert text.body.decode().startswith('# 复利/1: "yes"\n\n- 开始于: 20')
    assert "**用户** · 20" in text.body.decode()
    assert "another" not in text.body.decode(), "another branch"
    english = await alice.ask("GET", path, headers={"Accept-Language": "en"}, format="markdown")
    assert "**User** · 20" in english.body.decode()


async def test_a_conversation_without_a_title_has_a_name_too(alice: Client) -> None:
    assert named(await take(alice, f"/api/conversations/{await alice.create()}/export")) == "conversation.json"


@pytest.mark.parametrize(
    ("file", "name", "conversations", "messages"),
    [
        ("chatgpt.json", "chatgpt", 2, 9),
        ("chatgpt_canvas.json", "chatgpt", 1, 9),
        ("open_webui.json", "open_webui", 2, 6),
        ("open_webui_all.jsonl", "open_webui", 2, 4),
        ("librechat.json", "librechat", 1, 6),
        ("claude.json", "claude", 2, 7),
        ("deepseek.json", "deepseek", 2, 7),
        ("nextchat.json", "nextchat", 1, 3),
        ("cherry_studio.json", "cherry_studio", 2, 6),
        ("lobechat.json", "lobechat", 2, 4),
        ("chat_ui.json", "chat_ui", 2, 5),
        ("gemini.json", "gemini", 2, 6),
        ("gemini.html", "gemini", 2, 4),
    ],
)
async def test_what_others_have_exported_comes_in_once(
    alice: Client, file: str, name: str, conversations: int, messages: int
) -> None:
    data = (EXPORTS / file).read_bytes()
    report = await bring(alice, data, BYTES)
    assert report["format"] == name
    assert report["imported"] == {"conversations": conversations, "messages": messages, "personas": 0}
    assert report["skipped"]
    page = await alice.get("/api/conversations")
    assert len(page["conversations"]) == conversations
    for conversation in page["conversations"]:
        shown = await alice.messages(conversation["id"])
        assert shown
        if shown[-1]["role"] == "assistant":
            assert (await alice.say(conversation["id"], "hello")).text.startswith("echo: hello")
    again = await bring(
        alice, packed({"renamed/conversations-000.json": data}) if file.endswith(".json") else data, BYTES
    )
    assert again["imported"] == {"conversations": 0, "messages": 0, "personas": 0}
    assert skipped(again)["conversation", "known_already"] == conversations
    assert skipped(again)["message", "known_already"] == messages
    assert len((await alice.get("/api/conversations"))["conversations"]) == conversations


async def test_the_archive_of_chatgpt_comes_in_as_it_is(alice: Client) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("user.json", '{"email": "somebody"}')
        archive.writestr("conversations.json", (EXPORTS / "chatgpt.json").read_bytes())
        archive.writestr("dalle-generations/one.webp", b"RIFF")
    report = await bring(alice, file.getvalue(), ZIP)
    assert (report["format"], report["imported"]["conversations"]) == ("chatgpt", 2)
    assert skipped(report)["file", "no_conversations"] == 2


async def test_the_newest_messages_come_in_and_the_rest_is_counted(alice: Client) -> None:
    roles = ("user", "assistant")
    messages = [
        {"id": f"m{n}", "parentId": f"m{n - 1}" if n else None, "role": roles[n % 2], "content": f"text {n}"}
        for n in range(70)
    ]
    chat = {
        "chat": {"title": "long", "history": {"messages": {one["id"]: one for one in messages}, "currentId": "m69"}}
    }
    report = await bring(alice, json.dumps([chat]).encode())
    assert skipped(report) == {("message", "retention"): 20}
    (conversation,) = (await alice.get("/api/conversations"))["conversations"]
    page = await alice.get(f"/api/conversations/{conversation['id']}/messages", limit=200)
    assert [message["content"] for message in page["messages"]] == [f"text {n}" for n in range(20, 70)]
    assert (page["total"], page["dropped"]) == (70, 20)


async def test_a_file_may_be_larger_than_any_other_body(alice: Client) -> None:
    message = {"id": "m", "role": "user", "content": "x" * 900_000, "timestamp": 1}
    one = {"id": "", "role": "assistant", "created_at": 1, "updated_at": 1, "messages": [message]}
    file = json.dumps({"format": "lianhua", "version": 1, "conversations": [one]}).encode()
    assert (await bring(alice, file))["imported"]["messages"] == 1
    refused = await alice.ask("POST", "/api/conversations", b" " * 300_000)
    assert refused.problem == (413, "payload_too_large")


async def test_what_is_not_understood_is_named_and_leaves_nothing(alice: Client, http_data_dir: Path) -> None:
    good = {"id": "", "role": "assistant", "created_at": 1, "updated_at": 1, "title": f"sesame {alice.user}"}
    file = {"format": "lianhua", "version": 1, "conversations": [good, {**good, "messages": [{"id": 3}]}]}
    refused = await alice.ask("POST", "/api/import", json.dumps(file).encode(), JSON)
    assert refused.problem == (422, "invalid_request")
    assert refused.json["errors"][0]["field"] == "conversations[1].messages[0].id"
    for body in (b"", b"[]", b"\x00", b"PK\x03\x04", b'{"a"', b"[" * 100_000):
        assert (await alice.ask("POST", "/api/import", body, JSON)).problem == (422, "invalid_request")
    assert f"sesame {alice.user}" not in dump(http_data_dir)
    assert (await alice.get("/api/conversations"))["conversations"] == []
    assert [path.name for path in http_data_dir.iterdir() if path.is_file() and path.name.startswith("tmp")] == []


async def test_an_export_that_was_cut_on_its_way_is_refused_and_said_so(alice: Client, bob: Client) -> None:
    await talked(alice)
    whole = (await take(alice)).body
    for end in (len(whole) - 2, len(whole) - 100, len(whole) // 2, 90):
        refused = await bob.ask("POST", "/api/import", whole[:end], JSON)
        assert refused.problem == (422, "import_cut"), end
        assert "cut off" in refused.json["detail"]
    english = await bob.ask("POST", "/api/import", whole[:-9], {**JSON, "Accept-Language": "en"})
    assert english.json["title"] == "The file was cut off; export or download it again"
    refused = await bob.ask("POST", "/api/import", whole.replace(b"hello", b"hullo"), JSON)
    assert refused.problem == (422, "import_damaged")
    assert (await bob.get("/api/conversations"))["conversations"] == []
    report = await bring(bob, whole)
    assert report["imported"]["conversations"] == 1
    end = json.loads(whole)["end"]
    mark = whole.index(b'"end":')
    assert (end["bytes"], end["sha256"]) == (mark, hashlib.sha256(whole[:mark]).hexdigest())


async def test_markdown_says_where_it_ends(alice: Client) -> None:
    conversation = await talked(alice)
    text = (await take(alice, f"/api/conversations/{conversation}/export", format="markdown")).body
    found = re.search(rb'(?<=\n)<!-- end \{"bytes":(\d+),"sha256":"([0-9a-f]{64})"\} -->\n\Z', text)
    assert found
    assert (int(found[1]), found[2].decode()) == (found.start(), hashlib.sha256(text[: found.start()]).hexdigest())


async def test_an_import_of_nothing_is_no_success(alice: Client) -> None:
    tool = {"author": {"role": "tool"}, "content": {"content_type": "text", "parts": ["x"]}}
    for file, skips in (
        ([{"title": "t", "mapping": {"a": {"parent": None, "message": tool}}}], {"conversation", "message"}),
        ([{"uuid": "c", "name": "n", "chat_messages": []}], {"conversation"}),
        ({"format": "lianhua", "version": 1, "conversations": []}, set()),
    ):
        refused = await alice.ask("POST", "/api/import", json.dumps(file).encode(), {**JSON, "Accept-Language": "en"})
        assert refused.problem == (422, "import_empty")
        assert {one["what"] for one in refused.json["skipped"]} == skips
        assert refused.json["title"] == "There is nothing in the file that could be imported"


async def test_what_is_not_understood_stays_where_that_is_asked_for(alice: Client) -> None:
    data = (EXPORTS / "claude.json").read_bytes()
    answer = await alice.ask("POST", "/api/import", data, JSON, keep="unknown")
    assert answer.status == 200
    kept = [
        message.get("reasoning", "")
        for conversation in (await alice.get("/api/conversations"))["conversations"]
        for message in await alice.messages(conversation["id"])
        if message["role"] == "assistant"
    ]
    assert any('"type":"hologram"' in text for text in kept if text), kept
    assert "hologram" in (await take(alice)).body.decode(), "and leaves again"
    refused = await alice.ask("POST", "/api/import", data, JSON, keep="all")
    assert refused.problem == (422, "invalid_request")


async def test_archives_come_in_as_they_are(alice: Client) -> None:
    archives = {
        "claude": {"users.json": b"[]", "projects.json": b"[]", "memories.json": b"[]", "conversations.json": b""},
        "deepseek": {"user.json": b"{}", "conversations.json": b""},
        "cherry_studio": {"data.json": b"", "Data/Files/x.png": b"PNG"},
        "gemini": {"Takeout/My Activity/Gemini Apps/MyActivity.json": b"", "Takeout/archive_browser.html": b"<html>"},
    }
    for name, files in archives.items():
        own = {inner: data or (EXPORTS / f"{name}.json").read_bytes() for inner, data in files.items()}
        report = await bring(alice, packed(own), ZIP)
        assert (report["format"], skipped(report)["file", "no_conversations"]) == (name, len(files) - 1)


async def test_an_empty_piece_of_an_archive_is_passed_over(alice: Client) -> None:
    whole = (EXPORTS / "chatgpt.json").read_bytes()
    file = packed({"conversations-000.json": whole, "conversations-001.json": b"[]\n"})
    report = await bring(alice, file, ZIP)
    assert (report["imported"]["conversations"], skipped(report)["file", "no_conversations"]) == (2, 1)
    refused = await alice.ask("POST", "/api/import", packed({"conversations.json": b"[]"}), ZIP)
    assert (refused.status, refused.json["code"]) == (422, "invalid_request")


async def test_only_files_come_in_and_not_from_elsewhere(alice: Client) -> None:
    for kind in ("text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"):
        refused = await alice.ask("POST", "/api/import", b"[]", {"Content-Type": kind})
        assert refused.problem == (422, "invalid_request")
        assert refused.json["errors"][0]["field"] == "Content-Type"
    elsewhere = await alice.ask("POST", "/api/import", b"[]", {**JSON, "Sec-Fetch-Site": "cross-site"})
    assert elsewhere.problem == (403, "cross_site")
    host = await alice.ask("POST", "/api/import", b"[]", {**JSON, "Host": "example.org"})
    assert host.problem == (403, "forbidden")


async def test_a_file_that_is_too_large_is_refused(start_server: StartServer, session: aiohttp.ClientSession) -> None:
    client = Client(session, start_server(LIANHUA_SCRIPT=str(SCRIPT), LIANHUA_IMPORT_MB="1").url, "carol")

    async def trickle() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 65_536

    for body in (io.BytesIO(b" " * (1024 * 1024 + 1)), trickle()):
        async with session.post(client.address("/api/import"), data=body, headers=JSON) as answer:
            assert answer.status == 413
            assert (await answer.json(content_type="application/problem+json"))["code"] == "payload_too_large"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations.json", b"[" + b" " * 10_000_000 + b"]")
    refused = await client.ask("POST", "/api/import", file.getvalue(), ZIP)
    assert refused.problem == (422, "invalid_request")
    assert "more than 1 MB" in refused.json["detail"]


async def test_nobody_takes_out_what_is_somebody_elses(alice: Client, bob: Client) -> None:
    conversation = await talked(alice)
    for form in ("json", "markdown"):
        refused = await bob.ask("GET", f"/api/conversations/{conversation}/export", format=form)
        assert refused.problem == (404, "conversation_not_found")
    nothing = (await take(bob)).json
    assert nothing.pop("end")["conversations"] == 0
    assert nothing == {
        "format": "lianhua", "version": 1, "settings": {}, "personas": [], "conversations": [],
    }  # fmt: skip
    refused = await alice.ask("GET", f"/api/conversations/{conversation}/export", format="html")
    assert refused.problem == (422, "invalid_request")


async def test_what_was_imported_is_found_and_can_be_erased(alice: Client, http_data_dir: Path) -> None:
    marker = f"sesame-{alice.user}"
    file = (EXPORTS / "librechat.json").read_bytes().replace(b"towering", marker.encode())
    await bring(alice, file)
    page = await alice.get("/api/conversations", q=marker)
    (found,) = page["conversations"]
    assert marker in dump(http_data_dir)
    assert (await alice.ask("DELETE", f"/api/conversations/{found['id']}")).status == 204
    assert marker not in dump(http_data_dir)


async def test_a_reply_below_a_reply_can_be_made_again(alice: Client) -> None:
    rows = [
        ("u", None, "user", "what is new?"),
        ("a", "u", "assistant", "I look."),
        ("b", "a", "assistant", "Nothing."),
    ]
    mapping = {
        name: {
            "id": name,
            "parent": parent,
            "children": [child for child, above, _, _ in rows if above == name],
            "message": {"id": name, "author": {"role": role}, "content": {"content_type": "text", "parts": [text]}},
        }
        for name, parent, role, text in rows
    }
    file = json.dumps([{"title": "two in a row", "mapping": mapping, "current_node": "b"}]).encode()
    assert (await alice.ask("POST", "/api/import", file)).status == 200
    conversation = (await alice.get("/api/conversations"))["conversations"][0]["id"]
    question, _, last = await alice.messages(conversation)
    begun = await alice.ask("POST", turns(conversation), {"retry": last["id"]})
    assert begun.status == 202, begun.body
    whole = shown(await alice.read(events(conversation, begun.json["turn_id"])))
    assert whole.text == "echo: what is new? (turn 1: 2 messages)"
    now = await alice.messages(conversation)
    assert [message["id"] for message in now] == [question["id"], whole.turn["reply_message_id"]]
