"""What a file is: told by what only one format has, wherever in it that stands."""

from collections.abc import Iterator
from typing import Any, Final, Literal

from msgspec import Struct

from lianhua.errors import FileCut, InvalidRequest
from lianhua.formats import gemini_page
from lianhua.formats.json.builder import Events, skip
from lianhua.formats.json.events import events_of, marked
from lianhua.formats.json.source import Allowance, Readable, Source
from lianhua.formats.nextchat import STORE
from lianhua.formats.values import CONVERSATION_BYTES, FORMAT

Format = Literal[
    "lianhua",
    "chatgpt",
    "open_webui",
    "librechat",
    "claude",
    "deepseek",
    "nextchat",
    "cherry_studio",
    "lobechat",
    "chat_ui",
    "gemini",
    "messages",
]
FORMATS: Final = (
    "lianhua, ChatGPT, Claude, DeepSeek, Gemini (Google Takeout), Open WebUI, LibreChat, LobeChat, NextChat, "
    "Cherry Studio, Hugging Face chat-ui, lists of messages as OpenAI's interface has them"
)
# Where the conversations stand: the file is a list of them; or one, with perhaps others after it (JSON lines); or an
# object that has them in a list at the end of `path`; or one that they are gathered from; or a page; or the file is the
# list of the messages of one.
Where = Literal["list", "one", "inside", "gathered", "page", "bare"]
Path = tuple[str, ...]

ITEM: Final = "[]"
ANY: Final = "*"
DEPTH: Final = 6  # of what tells; further in nothing is looked at
SIGNS: Final = 4_000_000  # values that are looked at: some seconds

# What no other format has in a conversation, by the way to it.
_SURE: Final[dict[Path, Format]] = {
    ("mapping", ANY, "message", "fragments"): "deepseek",
    ("mapping", ANY, "message", "inserted_at"): "deepseek",
    ("mapping", ANY, "message", "reasoning_content"): "deepseek",
    ("mapping", ANY, "message", "author"): "chatgpt",
    ("mapping", ANY, "message", "create_time"): "chatgpt",
    ("mapping", ANY, "message", "content", "content_type"): "chatgpt",
    ("mapping", ANY, "message", "content", "parts"): "chatgpt",
    ("current_node",): "chatgpt",
    ("chat_messages",): "claude",
    ("chat", "history"): "open_webui",
    ("chat", "messages"): "open_webui",
    ("chat", "models"): "open_webui",
    ("history", "messages"): "open_webui",
    ("history", "currentId"): "open_webui",
    ("conversationId",): "librechat",
    ("messagesTree",): "librechat",
    ("messages", ITEM, "isCreatedByUser"): "librechat",
    ("rootMessageId",): "chat_ui",
    ("messages", ITEM, "from"): "chat_ui",
    ("memoryPrompt",): "nextchat",
    ("lastSummarizeIndex",): "nextchat",
    ("safeHtmlItem",): "gemini",
    ("activityControls",): "gemini",
    ("indexedDB",): "cherry_studio",
    ("exportType",): "lobechat",
    ("schemaHash",): "lobechat",
    ("state", "messages"): "lobechat",
}
# What tells where nothing else does: the first of these that is there.
_LIKELY: Final[dict[Path, Format]] = {
    ("inserted_at",): "deepseek",
    ("mapping",): "chatgpt",
    ("chat",): "open_webui",
    ("history",): "open_webui",
    ("products",): "gemini",
    ("messages", ITEM, "role"): "messages",
}
_GATHERED: Final = ("lobechat", "cherry_studio")
# Lists of conversations inside of an object.
_LISTS: Final[tuple[Path, ...]] = (("conversations",),)


# What people send that is no UTF-8, by how it begins.
_NO_TEXT: Final = {
    b"\x1f\x8b": "is packed with gzip: unpack it first, or put it into a zip archive",
    **dict.fromkeys((b"\xff\xfe", b"\xfe\xff", b"{\x00", b"[\x00"), "is UTF-16: save it as UTF-8"),
    b"7z\xbc\xaf": "is a 7z archive: unpack it first",
    b"Rar!": "is a RAR archive: unpack it first",
}


class Kind(Struct, frozen=True):
    """What a file is; `path` is there where the conversations stand inside."""

    format: Format
    where: Where
    path: Path = ()


def kind_of(file: Readable, allowance: Allowance) -> Kind:
    """What the file is, by as much of it as tells. Raises `InvalidRequest` when it is nothing that is known."""
    source = Source(file, allowance, CONVERSATION_BYTES)
    beginning = source.peek(gemini_page.LOOK_BYTES)
    for mark, words in _NO_TEXT.items():
        if beginning.startswith(mark):
            raise InvalidRequest("file", words)
    if beginning.lstrip().startswith(b"<"):
        found = Kind("gemini", "page") if gemini_page.is_page(beginning) else None
    else:
        try:
            found = _detected(marked(events_of(source, lines=True), source))
        except FileCut as exc:  # of what, nobody can tell
            raise InvalidRequest("file", f"is not JSON: it ends too soon, at {source.where}") from exc
    if found is None:
        raise InvalidRequest("file", f"is in no known format; known are {FORMATS}")
    return found


def _detected(events: Events) -> Kind | None:
    likely: dict[Path, Kind] = {}
    for count, (path, event, value) in enumerate(_signs(events)):
        if path == ("format",) and value == FORMAT:
            return Kind("lianhua", "inside", ("conversations",))
        if path in ((STORE, "sessions"), (STORE, "state", "sessions")) and event == "array":
            return Kind("nextchat", "inside", path)
        if path == (ITEM, "role"):
            likely.setdefault(path, Kind("messages", "bare"))
        where, inside = _where(path)
        rest = path[len(inside) + (where != "one") :]
        if found := _SURE.get(rest):
            return Kind(found, "gathered" if found in _GATHERED else where, inside)
        if rest in _LIKELY:
            likely.setdefault(rest, Kind(_LIKELY[rest], where, inside))
        if count > SIGNS:
            break
    return next((likely[path] for path in (*_LIKELY, (ITEM, "role")) if path in likely), None)


def _where(path: Path) -> tuple[Where, Path]:
    """Where a conversation would stand to which the way leads."""
    if path[:1] == (ITEM,):
        return "list", ()
    for inside in _LISTS:
        if path[: len(inside) + 1] == (*inside, ITEM):
            return "inside", inside
    return "one", ()


def _signs(events: Events) -> Iterator[tuple[Path, str, Any]]:
    """Every value by the way to it, names below `mapping` left out, without what lies too deep."""
    path: list[str] = []
    for event, value in events:
        match event:
            case "map_key":
                path[-1] = ANY if path[-2:-1] == ["mapping"] else value
            case "end_map" | "end_array":
                path.pop()
            case "start_map" | "start_array":
                yield tuple(path), "map" if event == "start_map" else "array", None
                if len(path) > DEPTH + 2:
                    skip(events)
                else:
                    path.append(ITEM if event == "start_array" else "")
            case _:
                yield tuple(path), event, value
