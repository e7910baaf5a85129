"""A stream of JSON objects, one a line (NDJSON), as Ollama's own protocol has it and some gateways send. Pure."""

import json

from lianhua.sse import MAX_EVENT_BYTES, Event, EventTooLong


def begins_stream(line: bytes) -> bool:
    """Whether a first line is a piece of a reply, and not all of it: then more lines follow."""
    try:
        found = json.loads(line.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return False
    if not isinstance(found, dict):
        return False
    choices = found.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    return "done" in found or (isinstance(choice, dict) and "delta" in choice)


class JsonLines:
    """Feed it bytes cut anywhere; it returns the lines that they complete, each the data of an event."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._rest_bytes = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """Raises `EventTooLong`."""
        if b"\n" not in chunk:
            self._rest.append(chunk)
            self._rest_bytes += len(chunk)
            if self._rest_bytes > MAX_EVENT_BYTES:
                raise EventTooLong(f"a line of more than {MAX_EVENT_BYTES} bytes")
            return []
        *lines, rest = b"".join((*self._rest, chunk)).split(b"\n")
        self._rest, self._rest_bytes = [rest], len(rest)
        return [Event(line.strip()) for line in lines if line.strip()]

    def close(self) -> list[Event]:
        """What is left at the end; it may have been cut short."""
        rest = b"".join(self._rest).strip()
        return [Event(rest)] if rest else []
