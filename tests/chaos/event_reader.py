"""Bytes of an event stream to events. A stream may be cut anywhere: what has no end is no event."""

import json

from tests.http.client import Frame


class EventReader:
    """Reads one stream."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[Frame]:
        """The events that `chunk` completes."""
        *blocks, self._rest = (self._rest + chunk).split(b"\n\n")
        return [frame for block in blocks if (frame := _frame(block.decode()))]


def _frame(block: str) -> Frame | None:
    fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
    if "data" not in fields:
        return None
    return Frame(fields["id"], fields.get("event", ""), json.loads(fields["data"]))
