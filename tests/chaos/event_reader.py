"""Bytes of an event stream to events. A stream may be cut anywhere: what has no end is no event."""

import json

from tests.support.client import Frame


class EventReader:
    """Reads one stream."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[Frame]:
        """The events that `chunk` completes."""
        *blocks, self._rest = (self._rest + chunk).split(b"\n\n")
        return [_frame(block.decode()) for block in blocks]


def _frame(block: str) -> Frame:
    fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
    return Frame(fields["id"], fields.get("event", ""), json.loads(fields["data"]))
