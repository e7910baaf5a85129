"""Which models a server has, asked when it does not know the one that it was asked for."""

import asyncio
import difflib
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec
from msgspec import Struct

from lianhua.models.http.connection import Broken, NotHttp
from lianhua.models.http.pool import Connections
from lianhua.models.openai.errors import Fault
from lianhua.models.openai.listing import read_list

# OpenRouter's list is 600 KB.
LIST_BYTES: Final = 2 * 1024 * 1024
LIST_S: Final = 5.0
NAMES: Final = 8  # told to people
# What names of models consist of. Anything else in the list is not shown to anybody.
_NAME = re.compile(r"[\w./:@+-]{1,100}")


class _Model(Struct):
    id: str


class _Models(Struct):
    data: list[_Model]


async def offered_models(connections: Connections, request: bytes) -> list[str]:
    """The names in the server's list; none where it does not tell in time. Never raises.

    `request` asks for the list: its headers, without the blank line.
    """
    deadline = asyncio.get_running_loop().time() + LIST_S
    try:
        body = await read_list(connections, request, LIST_BYTES, deadline)
        models = msgspec.json.decode(body, type=_Models).data
    except (Broken, NotHttp, OSError, ValueError, RecursionError):
        return []
    return [model.id for model in models if _NAME.fullmatch(model.id)]


def unknown_model(fault: Fault, model: str, offered: Sequence[str], *, said_so: bool) -> Fault:
    """The fault with words about the model, where the server has `said_so` or its list shows it."""
    if model in offered or not (said_so or offered):
        return fault
    values = {"model": model}
    if offered:
        values["models"] = ", ".join(_closest(model, offered)) + (", …" if len(offered) > NAMES else "")
    text = "other_models" if offered else "no_such_model"
    return replace(fault, error=type(fault.error)(str(fault.error), text, **values))


def _closest(model: str, offered: Sequence[str]) -> list[str]:
    alike = difflib.get_close_matches(model, offered, NAMES, cutoff=0.5)
    return [*alike, *(name for name in offered if name not in alike)][:NAMES]
