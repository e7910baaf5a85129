"""How a line of the log looks, and which request it belongs to. No line holds a text, a key, a cookie or a query.

A task takes over the id of the request that starts it. One that outlives its request is started in an empty `Context`.
"""

import json
import logging
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final, Literal

LogFormat = Literal["text", "json"]

# Of the request that is answered, also in the tasks that it starts, and so of its turn; empty where there is none.
REQUEST_ID: Final[ContextVar[str]] = ContextVar("request_id", default="")
# What proxies make: UUIDs, nginx's 32 digits, Amazon's Root=1-67891233-abcdef012345678912345678.
REQUEST_ID_FORM: Final = re.compile(r"[A-Za-z0-9._:=+/-]{1,128}")


def log_to_stderr(level: str, form: LogFormat) -> None:
    """From now on every line goes to standard error, in that form."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


class TextLines(logging.Formatter):
    """For people; the request's id stands last, in brackets."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the library's name
        line, request_id = super().formatMessage(record), REQUEST_ID.get()
        return f"{line} [{request_id}]" if request_id else line


class JsonLines(logging.Formatter):
    """For programs: one object a line, the time in UTC after RFC 3339."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        if request_id := REQUEST_ID.get():
            line["request_id"] = request_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
