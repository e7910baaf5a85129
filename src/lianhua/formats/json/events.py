"""What the JSON parser meets in a file, as our errors and with little help on the way."""

from collections.abc import Iterator

import ijson

from lianhua.errors import FileCut, InvalidRequest
from lianhua.formats.json.builder import Event, Events, skip
from lianhua.formats.json.source import Allowance, Source


def events_of(source: Source, *, lines: bool = False) -> Events:
    """What the parser meets; `lines`: one value may follow another (JSON lines).

    Raises `InvalidRequest`, of which `FileCut` where the file ends too soon.
    """
    try:
        # Machine numbers: of larger ones the parser says so, while Python's own conversion of one with thousands of
        # digits leaves the parser (ijson 3.6) with an error that nobody raises.
        yield from ijson.basic_parse(source, use_float=True, multiple_values=lines)
    except ijson.IncompleteJSONError as exc:
        if source.ended:
            raise FileCut(
                "file", f"ends too soon, at {source.where}: it was cut off, so export or copy it again"
            ) from exc
        raise InvalidRequest("file", f"is not JSON, or has a number beyond 64 bits, at {source.where}") from exc
    except ijson.JSONError as exc:  # its text quotes the file
        raise InvalidRequest("file", f"is not JSON, or has a number beyond 64 bits, at {source.where}") from exc


def marked(events: Events, source: Source) -> Events:
    """The same where nothing is held of what is read: only of one string as much comes as of a conversation."""
    for event in events:
        source.mark()
        yield event


def pass_over(event: str, events: Events) -> None:
    """Reads to the end of a value that has begun with the event."""
    if event in ("start_map", "start_array"):
        skip(events)


def each(events: Events, source: Source, allowance: Allowance) -> Iterator[Event]:
    """The beginning of everything in a list; the caller reads each to its end. Raises `InvalidRequest`."""
    event, _ = next(events)
    if event != "start_array":
        raise InvalidRequest("file", f"should have a list, at {source.where}")
    for event, value in events:
        if event == "end_array":
            return
        allowance.begin()
        yield event, value


def open_field(events: Events, name: str, source: Source) -> None:
    """Reads on to the value of a field of the object that comes next. Raises `InvalidRequest` where there is none."""
    event, _ = next(events)
    if event == "start_map":
        for event, found in events:
            if event == "end_map":
                break
            if found == name:
                return
            pass_over(next(events)[0], events)
    raise InvalidRequest("file", f"should have a field {name}, at {source.where}")
