"""What Google Takeout has of Gemini: "My Activity", as JSON or HTML, a list of what was asked, the newest first.

It is a log: the title of a record is a verb in the reader's language and the prompt ("Prompted what is …"), the answer
is HTML. Records of 2026 name the address of their conversation; older ones name nothing, and nobody can tell which of
them belong together: each is a conversation of its own, and the report says so.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from lianhua.formats.convert import Found, fields_of, items_in, made, string
from lianhua.formats.html_text import as_markdown
from lianhua.formats.json.builder import EVERYTHING, SCALAR, Schema
from lianhua.formats.links import link
from lianhua.formats.pending import Shelf
from lianhua.formats.report import Tally
from lianhua.formats.tree import Draft, instant

_LINK: Final = Schema({"name": SCALAR, "url": SCALAR})
_RECORD: Final = Schema(
    {
        **dict.fromkeys(("header", "title", "titleUrl", "time"), SCALAR),
        "safeHtmlItem": Schema({"html": SCALAR, "htmlValue": SCALAR}, items=Schema({"html": SCALAR})),
        "details": Schema(items=_LINK),
        "subtitles": Schema(items=_LINK),
        "attachedFiles": Schema(items=SCALAR),
    }
)
# The address of a conversation, also of one with a gem.
_CONVERSATION = re.compile(r"https://gemini\.google\.com/(?:app|gem/[\w-]{1,100})/([0-9a-zA-Z_-]{6,64})", re.ASCII)
# The verb before a prompt, as exports in several languages have it, or may have it; in languages that are not here it
# stays.
_VERB: Final = re.compile(
    r"(?:Prompted|Asked(?: Gemini)?|Said|Searched for|Se ingresó la instrucción|Hai chiesto|Você perguntou)\s+"
    r"|(?:Prompted|Asked|Eingegebener Prompt|Gefragt|Requête|Prompt saisi|Demande|Запит|Запрос|Prompt ingresado"
    r"|Petición introducida|Pregunta|Comando inserido|Pergunta|Prompt inserito|Domanda|Wpisany prompt|Girilen istem"
    r"|输入的提示|已输入提示|输入了提示|提问|發問|提問|輸入的提示|プロンプト|送信したメッセージ|質問"
    r"|프롬프트|입력한 프롬프트|질문)"
    r"\s*[:：]\s*"
    r"|已(?:询问|詢問|提示)\s*[:：]?\s*"
)
# What is no question: use of the product, a rating, a canvas without a name.
_NO_QUESTION: Final = re.compile(r"(?:Used (?:Gemini|AI Mode)|Gave feedback|Created Gemini Canvas)")


def schema(*, keep: bool) -> Schema:
    """What is read of a record; `keep`: all of it."""
    return EVERYTHING if keep else _RECORD


def record(raw: Any, shelf: Shelf, now: float, tally: Tally) -> Found | None:
    """A record as a conversation; None where it waits on the shelf for others of its own, or says nothing."""
    fields = fields_of(raw)
    if not isinstance(raw, dict):
        tally.skip("conversation", "not_understood")
        return None
    said = {
        "title": string(fields.get("title")),
        "time": fields.get("time"),
        "answer": as_markdown("\n".join(_html(fields.get("safeHtmlItem")))),
        "sources": _sources(fields),
        "files": len(items_in(fields.get("attachedFiles"))),
    }
    addresses = [string(fields_of(detail).get("url")) for detail in items_in(fields.get("details"))]
    names = {found[1] for address in addresses if (found := _CONVERSATION.match(address))}
    if len(names) == 1:
        shelf.put(names.pop(), said)
        return None
    return alone(said, now, tally)


def alone(said: dict[str, Any], now: float, tally: Tally) -> Found | None:
    """A record that names no conversation as one of its own. Its time is what it is known by."""
    drafts = _drafts(said, "", None, tally)
    if not any(draft.role for draft in drafts):
        tally.skip("conversation", "empty", str(said["title"]))
        return None
    tally.skip("conversation", "not_grouped", str(said["title"]))
    return made("gemini", drafts, tally, now, raw_id=said["time"], title=None)


def conversations(shelf: Shelf, now: float, tally: Tally) -> Iterator[Found]:
    """The conversations whose records were shelved."""
    shelf.index()
    for group in shelf.groups():
        records = sorted(shelf.pieces(group), key=lambda said: instant(said["time"]) or 0.0)
        drafts: list[Draft] = []
        for said in records:
            last = drafts[-1].key if drafts else None
            drafts += _drafts(said, str(said["time"]), last, tally)
        if found := made("gemini", drafts, tally, now, raw_id=group, title=None):
            yield found


def _drafts(said: dict[str, Any], key: str, parent: str | None, tally: Tally) -> list[Draft]:
    """The question and the answer of a record."""
    title = said["title"].strip()
    asked = "" if _NO_QUESTION.match(title) else _asked(title)
    answer = "\n\n".join(part for part in (said["answer"], said["sources"] if said["answer"] else "") if part)
    tally.skip("part", "file", count=said["files"])
    question = Draft(key=f"{key} asked", parent=parent, role="user" if asked else None, content=asked)
    reply = Draft(key=f"{key} said", parent=question.key, role="assistant" if answer else None, content=answer)
    question.time = reply.time = instant(said["time"])
    return [question, reply]


def _asked(title: str) -> str:
    """The prompt without the verb before it."""
    verb = _VERB.match(title)
    return title[verb.end() :] if verb else title


def _html(items: object) -> list[str]:
    """The answer: in pieces, or in older exports one."""
    if isinstance(items, dict):
        return [string(items.get("html")) or string(items.get("htmlValue"))]
    return [string(fields_of(item).get("html")) for item in items_in(items)]


def _sources(fields: dict[str, Any]) -> str:
    """The pages that the answer names; what else is called so are names of files."""
    pages = (fields_of(page) for page in items_in(fields.get("subtitles")))
    links = dict.fromkeys(filter(None, (link(page.get("name"), page.get("url")) for page in pages)))
    return ", ".join(links)
