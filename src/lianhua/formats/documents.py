"""Documents that a model has written beside a conversation (ChatGPT's canvas, Claude's artifacts), as text in it."""

import re
from typing import Any, Final

import msgspec

from lianhua.formats.raw import code_block

LANGUAGE_CHARS: Final = 40
UPDATES: Final = 100  # of one call
CHARS: Final = 1_000_000  # of a document that is updated
ABOVE: Final = 1_000  # messages that are looked through for the document which an update is of
SEVERAL: Final = 4  # documents of one conversation that an update is tried on
_PLAIN: Final = ("", "document", "text/markdown", "text/plain", "markdown")
_LANGUAGES: Final = {
    "text/html": "html",
    "image/svg+xml": "svg",
    "application/vnd.ant.react": "jsx",
    "application/vnd.ant.mermaid": "mermaid",
    "code/react": "jsx",
}
_LANGUAGE = re.compile(r"[A-Za-z0-9+#-]{1,40}", re.ASCII)


def as_text(title: object, kind: object, content: str, language: object = None) -> str:
    """A document below its title; what is code in a block of its language."""
    head = f"**{' '.join(title.split())}**\n\n" if isinstance(title, str) and title.strip() else ""
    named = kind.strip().lower() if isinstance(kind, str) else ""
    if named in _PLAIN:
        return head + content
    name = language if isinstance(language, str) and language else _LANGUAGES.get(named)
    if name is None:
        name = named.removeprefix("code/") if named.startswith("code/") else ""
    return head + code_block(content, name if _LANGUAGE.fullmatch(name) else "")


def decoded(text: str) -> dict[str, Any]:
    """The JSON object that a text holds; empty where it holds none."""
    value = _value(text)
    return value if isinstance(value, dict) else {}


def listed(text: str) -> list[Any]:
    """The JSON list that a text holds; empty where it holds none."""
    value = _value(text)
    return value if isinstance(value, list) else []


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def updated(content: str | None, updates: object) -> str | None:
    """The document after an update of ChatGPT's; None where that cannot be told.

    Its patterns are regular expressions which a model has written: they are not run, for one can take for ever. Nearly
    all of them mean the whole document, or a text that stands in it.
    """
    for update in updates[:UPDATES] if isinstance(updates, list) else []:
        pattern, replacement = (
            (update.get(name) for name in ("pattern", "replacement")) if _is(update) else (None, None)
        )
        if not isinstance(pattern, str) or not isinstance(replacement, str):
            return None
        if pattern in (".*", "(?s).*", "[\\s\\S]*", "^.*$"):
            content = replacement
        elif content is not None and (plain := re.sub(r"\\([^A-Za-z0-9])", r"\1", pattern)) in content:
            content = content.replace(plain, replacement, -1 if update.get("multiple") is True else 1)
        else:
            return None
        if len(content) > CHARS:
            return None
    return content


def _is(value: object) -> bool:
    return isinstance(value, dict)
