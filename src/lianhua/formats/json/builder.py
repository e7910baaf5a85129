"""From a parser's events to the values that somebody asked for. What nobody asked for is never built."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lianhua.errors import InvalidRequest

Event = tuple[str, Any]
Events = Iterator[Event]

# Of one conversation: its messages and what belongs to each. Bounds what a small file full of empty lists can ask for:
# an archive of 4 KB holds a million of them.
VALUES: Final = 3_000_000
# An object or a list counts as so many, as soon as it opens: empty it takes 56 to 190 bytes with its place and its
# name, a number or a short string 8 to 60. An export of ours with all the messages that a conversation may have comes
# to 2.8 million.
OPENING_VALUES: Final = 8
DEPTH: Final = 100  # of what everything is wanted of: whoever writes it down again does so with recursion
TOO_DEEP: Final = "…"  # in the place of what lies further in
UNREAD: Final = object()  # in a list, in place of what nobody asked for
_OPENING: Final = frozenset(("start_map", "start_array"))
_CLOSING: Final = frozenset(("end_map", "end_array"))


class Schema:
    """Which parts of a value are wanted. A string, a number, true, false and null always are.

    `fields` are those of an object. `each` is for every field, whatever its name: the object becomes a list of pairs,
    in which a name that comes twice stands twice. `items` are a list's. `everything` wants all there is.
    """

    def __init__(
        self,
        fields: Mapping[str, "Schema"] | None = None,
        *,
        each: "Schema | None" = None,
        items: "Schema | None" = None,
        everything: bool = False,
    ) -> None:
        self.fields = dict(fields) if fields is not None else None
        self.each = self if everything else each
        self.items = self if everything else items
        self.plain = everything

    def inside(self, name: str) -> "Schema | None":
        """What is wanted of an object's field."""
        return self.each or (self.fields or {}).get(name)

    def takes(self, event: str) -> bool:
        """Whether the object or list that opens is wanted."""
        return self.items is not None if event == "start_array" else self.each is not None or self.fields is not None


SCALAR: Final = Schema()
EVERYTHING: Final = Schema(everything=True)


def value_of(event: str, value: Any, events: Events, schema: Schema) -> Any:
    """The value that begins with this event; the events are read up to its end. Raises `InvalidRequest`."""
    if event not in _OPENING:
        return value
    if not schema.takes(event):
        skip(events)
        return UNREAD
    return _Builder(event, schema).build(events)


def skip(events: Events) -> None:
    """Reads to the end of the object or list that has just been opened."""
    depth = 1
    while depth:
        event, _ = next(events)
        if event in _OPENING:
            depth += 1
        elif event in _CLOSING:
            depth -= 1


class Pairs(list[tuple[str, Any]]):
    """The fields of an object by their names, in order."""


class _Builder:
    """One object or list with all that is wanted in it, without recursion: a file may nest as deep as it likes."""

    def __init__(self, event: str, schema: Schema) -> None:
        self._open: list[tuple[Any, Schema, str]] = []  # what the current one stands in: container, shape, field
        self._container: Any = _empty(event, schema)
        self._schema = schema
        self._field = ""
        self._room = VALUES

    def build(self, events: Events) -> Any:
        for event, value in events:
            if event == "map_key":
                self._field = value
            elif event in _CLOSING:
                if not self._open:
                    return self._container
                done = self._container
                self._container, self._schema, self._field = self._open.pop()
                self._put(done)
            elif event in _OPENING:
                self._enter(event, events)
            elif self._inner() is not None:
                self._put(value)
        raise AssertionError("the parser raises before a value ends too soon")

    def _enter(self, event: str, events: Events) -> None:
        inner = self._inner()
        if inner is None or not inner.takes(event):
            skip(events)
            if inner is not None:
                self._put(UNREAD)
            return
        if inner.plain and len(self._open) > DEPTH:
            skip(events)
            self._put(TOO_DEEP)
            return
        self._count(OPENING_VALUES)
        self._open.append((self._container, self._schema, self._field))
        self._container, self._schema = _empty(event, inner), inner

    def _inner(self) -> Schema | None:
        if isinstance(self._container, list) and not isinstance(self._container, Pairs):
            return self._schema.items
        return self._schema.inside(self._field)

    def _count(self, values: int) -> None:
        self._room -= values
        if self._room < 0:
            raise InvalidRequest("file", f"holds a conversation of more than {VALUES:,} values")

    def _put(self, value: Any) -> None:
        self._count(1)
        if isinstance(self._container, dict):
            self._container[self._field] = value
        elif isinstance(self._container, Pairs):
            self._container.append((self._field, value))
        else:
            self._container.append(value)


def _empty(event: str, schema: Schema) -> Any:
    if event == "start_array":
        return []
    return Pairs() if schema.each is not None and not schema.plain else {}
