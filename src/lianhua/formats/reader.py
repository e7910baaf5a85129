"""Reads a file of any format that is known, one thing at a time."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Final

from msgspec import Struct

from lianhua.chat.personas import OwnPersona
from lianhua.errors import InvalidRequest
from lianhua.formats import (
    chat_ui,
    chatgpt,
    cherry_studio,
    claude,
    deepseek,
    gemini,
    gemini_page,
    librechat,
    lobechat,
    native,
    nextchat,
    open_webui,
    plain_messages,
)
from lianhua.formats.convert import Found
from lianhua.formats.json.builder import EVERYTHING, SCALAR, Event, Events, Schema, value_of
from lianhua.formats.json.events import each, events_of, marked, open_field
from lianhua.formats.json.source import Allowance, Readable, Source
from lianhua.formats.kinds import Format, Kind, kind_of
from lianhua.formats.pending import Shelf
from lianhua.formats.report import Tally
from lianhua.formats.values import CONVERSATION_BYTES, FORMAT, VERSION, PortableConversation

__all__ = ("Item", "Kind", "Settings", "items_of", "kind_of")


class Settings(Struct, frozen=True):
    """What the user has set, by name."""

    values: dict[str, str]


Item = PortableConversation | OwnPersona | Settings

# Of each a `shape(keep=…)` and a `conversation(raw, now, tally)`.
_FOREIGN: Final[dict[Format, ModuleType]] = {
    "chatgpt": chatgpt,
    "open_webui": open_webui,
    "librechat": librechat,
    "claude": claude,
    "deepseek": deepseek,
    "nextchat": nextchat,
    "chat_ui": chat_ui,
    "messages": plain_messages,
}


def items_of(file: Readable, kind: Kind, allowance: Allowance, now: float, tally: Tally) -> Iterator[Item]:
    """What is in the file, in its order; what of it is left out goes to the tally. `now` stands for times that nobody
    tells.

    Raises `InvalidRequest` for what is not JSON, not of the format, or beyond a limit; `Overloaded` where the disk is
    full.
    """
    source = Source(file, allowance, CONVERSATION_BYTES)
    if kind.where == "page":
        for said in gemini_page.records(source, tally):
            if found := gemini.alone(said, now, tally):
                yield found
        return
    events = events_of(source, lines=kind.where == "one")
    if kind.format == FORMAT:
        yield from _native(events, source, allowance, tally)
    elif kind.format == "gemini":
        yield from _activity(events, source, allowance, kind, now, tally)
    elif kind.format == "lobechat":
        yield from _lobechat(events, source, now, tally)
    elif kind.format == "cherry_studio":
        yield from _cherry_studio(events, source, now, tally)
    else:
        yield from _foreign(events, source, allowance, kind, now, tally)
    for _ in events:  # whatever follows: not JSON, and nothing of the file is believed
        pass
    tally.skip("character", "half", count=source.halves)


def _foreign(
    events: Events, source: Source, allowance: Allowance, kind: Kind, now: float, tally: Tally
) -> Iterator[Item]:
    module = _FOREIGN[kind.format]
    schema: Schema = module.schema(keep=tally.keeps)
    read: Callable[[dict[str, Any], float, Tally], Found | None] = module.conversation
    for raw in _values(events, source, allowance, kind, schema):
        if not isinstance(raw, dict):
            tally.skip("conversation", "not_understood")
        elif found := read(raw, now, tally):
            yield found


def _values(events: Events, source: Source, allowance: Allowance, kind: Kind, schema: Schema) -> Iterator[Any]:
    """Everything that stands where the conversations do."""
    for name in kind.path:
        open_field(events, name, source)
    if kind.where == "bare":
        yield {"messages": value_of(*next(events), events, schema.inside("messages") or SCALAR)}
        return
    for event, value in _each_line(events, allowance) if kind.where == "one" else each(events, source, allowance):
        raw = value_of(event, value, events, schema)
        source.mark()
        yield raw


def _each_line(events: Events, allowance: Allowance) -> Iterator[Event]:
    """The beginning of each value of a file that has one after another."""
    for event in events:
        allowance.begin()
        yield event


def _activity(
    events: Events, source: Source, allowance: Allowance, kind: Kind, now: float, tally: Tally
) -> Iterator[Item]:
    with Shelf() as shelf:
        for raw in _values(events, source, allowance, kind, gemini.schema(keep=tally.keeps)):
            if found := gemini.record(raw, shelf, now, tally):
                yield found
        yield from gemini.conversations(shelf, now, tally)


def _lobechat(events: Events, source: Source, now: float, tally: Tally) -> Iterator[Item]:
    with Shelf() as shelf:
        schemas = {name: lobechat.part_schema(name, keep=tally.keeps) for name in lobechat.LISTS}
        for name, raw in _gathered(events, source, {"state": schemas, "data": schemas}):
            lobechat.put(name, raw, shelf, tally)
        yield from lobechat.conversations(shelf, now, tally)


def _cherry_studio(events: Events, source: Source, now: float, tally: Tally) -> Iterator[Item]:
    with Shelf() as shelf:
        schemas = {name: cherry_studio.part_schema(name, keep=tally.keeps) for name in cherry_studio.LISTS}
        topic = Schema({"key": SCALAR, "value": schemas["topics"]})
        homes = {"indexedDB": {**schemas, "": topic}, "localStorage": {cherry_studio.STATE: SCALAR}}
        for name, raw in _gathered(events, source, homes):
            if name == cherry_studio.STATE:
                cherry_studio.put_names(raw, shelf, tally)
            elif name:
                cherry_studio.put(name, raw, shelf, tally)
            elif isinstance(raw, dict) and str(raw.get("key")).startswith("topic:"):  # version 1
                cherry_studio.put("topics", raw.get("value"), shelf, tally)
        yield from cherry_studio.conversations(shelf, now, tally)


def _gathered(events: Events, source: Source, homes: dict[str, dict[str, Schema]]) -> Iterator[tuple[str, Any]]:
    """Everything in some lists of some objects of the file's one object, by the list's name; single values too.

    What stands in a list in the place of such an object has no name.
    """
    event, _ = next(events)
    for home, start, value in _fields(events) if event == "start_map" else ():
        wanted = homes.get(home, {})
        if start == "start_map" and wanted:
            yield from _home(events, source, wanted)
        elif start == "start_array" and "" in wanted:
            for raw in _things(events, source, wanted[""]):
                yield "", raw
        else:
            value_of(start, value, marked(events, source), SCALAR)
        source.mark()


def _home(events: Events, source: Source, wanted: dict[str, Schema]) -> Iterator[tuple[str, Any]]:
    for name, start, value in _fields(events):
        if name in wanted and start == "start_array":
            for raw in _things(events, source, wanted[name]):
                yield name, raw
        else:
            found = value_of(start, value, marked(events, source), SCALAR)
            if wanted.get(name) is SCALAR:
                yield name, found
        source.mark()


def _fields(events: Events) -> Iterator[tuple[str, str, Any]]:
    """The fields of an object that is open: the name, and how the value begins. The caller reads it to its end."""
    for event, name in events:
        if event == "end_map":
            return
        yield name, *next(events)


def _things(events: Events, source: Source, schema: Schema) -> Iterator[Any]:
    for event, value in events:
        if event == "end_array":
            return
        raw = value_of(event, value, events, schema)
        source.mark()
        yield raw


def _native(events: Events, source: Source, allowance: Allowance, tally: Tally) -> Iterator[Item]:
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
            case "format" | "end":  # `seal` has looked at the end
                value_of(*next(events), events, SCALAR)
            case "version":
                version = value_of(*next(events), events, EVERYTHING)
            case "settings":
                yield Settings(native.settings(value_of(*next(events), events, EVERYTHING), tally))
            case "personas":
                for number, (opened, value) in enumerate(each(events, source, allowance)):
                    yield native.persona(value_of(opened, value, events, EVERYTHING), number, tally)
                    source.mark()
            case "conversations":
                for number, (opened, value) in enumerate(each(events, source, allowance)):
                    raw = value_of(opened, value, events, EVERYTHING)
                    source.mark()
                    yield native.conversation(raw, number, tally)
            case _:
                raise InvalidRequest("file", "has a field that this version does not know")
    if version != VERSION:
        raise InvalidRequest("version", f"this server reads version {VERSION}")
