"""Reads a file of any format that is known: what it is, and then what is in it, one thing at a time."""

import sys
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

import ijson
from msgspec import Struct

from lianhua.errors import InvalidRequest
from lianhua.exchange import chatgpt, librechat, open_webui, ours
from lianhua.exchange.conversation import Found
from lianhua.exchange.portable import CONVERSATION_BYTES, FORMAT, VERSION, PortableConversation
from lianhua.exchange.report import Tally
from lianhua.exchange.shape import EVERYTHING, Event, Events, Shape, skip, value_of
from lianhua.exchange.source import Allowance, Readable, Source
from lianhua.personas import OwnPersona

Format = Literal["lianhua", "chatgpt", "open_webui", "librechat"]
# Where the conversations stand: the file is a list of them, or one, or an object that has them in a list.
Where = Literal["list", "one", "inside"]
Foreign = Callable[[dict[str, Any], float, Tally], Found | None]


class Kind(Struct, frozen=True):
    """What a file is."""

    format: Format
    where: Where


class Settings(Struct, frozen=True):
    """What the user has set, by name."""

    values: dict[str, str]


Item = PortableConversation | OwnPersona | Settings

# The field of a conversation that no other format has.
_TELLING: Final[dict[str, Format]] = {
    "mapping": "chatgpt",
    "chat": "open_webui",
    "history": "open_webui",
    "conversationId": "librechat",
    "messagesTree": "librechat",
}
_FOREIGN: Final[dict[Format, tuple[Shape, Foreign]]] = {
    "chatgpt": (chatgpt.SHAPE, chatgpt.conversation),
    "open_webui": (open_webui.SHAPE, open_webui.conversation),
    "librechat": (librechat.SHAPE, librechat.conversation),
}


def kind_of(file: Readable, allowance: Allowance) -> Kind:
    """What the file is, by as much of it as tells. Raises `InvalidRequest` when it is nothing that is known."""
    events = _events(Source(file, allowance, sys.maxsize))
    event, _ = next(events)
    found = None
    if event == "start_map":
        found = _kind_of_object(events)
    elif event == "start_array" and (named := _format_in_list(events)):
        found = Kind(named, "list")
    if found is None:
        raise InvalidRequest("file", "is none of the formats that are known: lianhua, ChatGPT, Open WebUI, LibreChat")
    return found


def _kind_of_object(events: Events) -> Kind | None:
    for event, name in events:
        if event == "end_map":
            return None
        if name in _TELLING:
            return Kind(_TELLING[name], "one")
        opened, value = next(events)
        if name == "format" and value == FORMAT:
            return Kind("lianhua", "inside")
        if name == "conversations" and opened == "start_array":
            if named := _format_in_list(events):
                return Kind(named, "inside")
        else:
            _pass(opened, events)
    return None


def _format_in_list(events: Events) -> Format | None:
    """By the first of the conversations that tells it; None at the end of the list."""
    for event, _ in events:
        if event == "end_array":
            return None
        if event != "start_map":
            _pass(event, events)
            continue
        for inner, name in events:
            if inner == "end_map":
                break
            if name in _TELLING:
                return _TELLING[name]
            _pass(next(events)[0], events)
    return None


def _pass(event: str, events: Events) -> None:
    if event in ("start_map", "start_array"):
        skip(events)


def items_of(file: Readable, kind: Kind, allowance: Allowance, now: float, tally: Tally) -> Iterator[Item]:
    """What is in the file, in its order; what of it is left out goes to the tally. `now` stands for times that nobody
    tells.

    Raises `InvalidRequest` for what is not JSON, not of the format, or beyond a limit.
    """
    source = Source(file, allowance, CONVERSATION_BYTES)
    events = _events(source)
    if kind.format == FORMAT:
        yield from _ours(events, source, allowance, tally)
    else:
        yield from _foreign(events, source, allowance, kind, now, tally)
    for _ in events:  # whatever follows: not JSON, and nothing of the file is believed
        pass
    tally.skip("character", "half", count=source.halves)


def _foreign(
    events: Events, source: Source, allowance: Allowance, kind: Kind, now: float, tally: Tally
) -> Iterator[Item]:
    shape, read = _FOREIGN[kind.format]
    if kind.where == "inside":
        _open_field(events, "conversations")
    for event, value in events if kind.where == "one" else _each(events, source, allowance):
        raw = value_of(event, value, events, shape)
        source.mark()
        if not isinstance(raw, dict):
            tally.skip("conversation", "not_understood")
        elif found := read(raw, now, tally):
            yield found


def _open_field(events: Events, name: str) -> None:
    """Reads on to the list that is a field of the file's one object."""
    next(events)
    while next(events)[1] != name:
        _pass(next(events)[0], events)


def _each(events: Events, source: Source, allowance: Allowance) -> Iterator[Event]:
    """The beginning of everything in a list; the caller reads each to its end. Raises `InvalidRequest`."""
    event, _ = next(events)
    if event != "start_array":
        raise InvalidRequest("file", f"should have a list, at {source.where}")
    for event, value in events:
        if event == "end_array":
            return
        allowance.begin()
        yield event, value


def _ours(events: Events, source: Source, allowance: Allowance, tally: Tally) -> Iterator[Item]:
    version: Any = None
    seen: set[str] = set()
    next(events)
    for event, name in events:
        if event == "end_map":
            break
        if name in seen:
            raise InvalidRequest("file", f"has a field twice, at {source.where}")
        seen.add(name)
        match name:
            case "format":
                next(events)
            case "version":
                version = value_of(*next(events), events, EVERYTHING)
            case "settings":
                yield Settings(ours.settings(value_of(*next(events), events, EVERYTHING), tally))
            case "personas":
                for number, (opened, value) in enumerate(_each(events, source, allowance)):
                    yield ours.persona(value_of(opened, value, events, EVERYTHING), number, tally)
                    source.mark()
            case "conversations":
                for number, (opened, value) in enumerate(_each(events, source, allowance)):
                    raw = value_of(opened, value, events, EVERYTHING)
                    source.mark()
                    yield ours.conversation(raw, number, tally)
            case _:
                raise InvalidRequest("file", "has a field that this version does not know")
    if version != VERSION:
        raise InvalidRequest("version", f"this server reads version {VERSION}")


def _events(source: Source) -> Events:
    """What the parser meets. Raises `InvalidRequest`."""
    try:
        # Machine numbers: of larger ones the parser says so, while Python's own conversion of one with thousands of
        # digits leaves the parser (ijson 3.6) with an error that nobody raises.
        yield from ijson.basic_parse(source, use_float=True)
    except ijson.JSONError as exc:  # its text quotes the file
        raise InvalidRequest("file", f"is not JSON, or has a number beyond 64 bits, at {source.where}") from exc
