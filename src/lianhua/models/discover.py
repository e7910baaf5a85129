"""Finding a model where none is set: a server that already runs on this machine, on three well-known ports of loopback
and nowhere else, or the file that was pulled.
"""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from lianhua.models.download.pull import find_pulled
from lianhua.models.http.connection import Broken, NotHttp
from lianhua.models.http.endpoint import parse_endpoint
from lianhua.models.http.pool import Connections
from lianhua.models.openai.listing import read_list
from lianhua.models.openai.window_size import listed_size

# Where each listens by default, in the order in which they are preferred. docs.ollama.com/faq;
# lmstudio.ai/docs/developer/core/server; llama.cpp tools/server/README.md
LOCAL_SERVERS: tuple[tuple[str, int], ...] = (("Ollama", 11434), ("LM Studio", 1234), ("llama.cpp", 8080))
DISCOVERY_S = 0.2
# A list of models is a few KiB; whatever else listens on such a port may send anything.
MODELS_BODY_BYTES = 256 * 1024

# By their usual names: models that turn text into vectors, scores or sound, or sound into text.
_NO_CHAT = re.compile(
    r"embed|rerank|whisper|moderation|dall-e|minilm"
    r"|(?:^|[/:_-])(?:tts|bge|gte|e5|nomic|jina|clip)(?:[-_:.]|$)",
    re.IGNORECASE,
)


class FoundServer(Struct, frozen=True):
    """A server that answered. `base_url` ends in `/v1`; `model` is the first of its models that can chat, and
    `context_tokens` its window, where the server says how large it is.
    """

    name: str
    base_url: str
    model: str
    context_tokens: int | None = None


class FoundModel(Struct, frozen=True):
    """What answers where no model is set: a server, else a pulled file, else (neither is there) `demo`."""

    server: FoundServer | None = None
    file: str | None = None


class _Model(Struct):
    id: str


class _Models(Struct):
    data: list[_Model]


async def find_model(data_dir: Path, *, discovery: bool, timeout_s: float = DISCOVERY_S) -> FoundModel:
    """Looks at what there is, at servers only with `discovery`. Never raises."""
    if discovery and (server := await find_local_server(timeout_s)):
        return FoundModel(server)
    file = find_pulled(data_dir)
    return FoundModel(file=str(file) if file else None)


async def find_local_server(
    timeout_s: float = DISCOVERY_S, servers: Sequence[tuple[str, int]] = LOCAL_SERVERS
) -> FoundServer | None:
    """The first of `servers` (name and port, most preferred first) on 127.0.0.1 that has a model to chat with.

    All are asked at once and have `timeout_s` seconds together. Never raises.
    """
    deadline = asyncio.get_running_loop().time() + timeout_s
    found = await asyncio.gather(*(_ask(name, port, deadline) for name, port in servers))
    return next((server for server in found if server is not None), None)


def first_chat_model(ids: Sequence[str]) -> str | None:
    """The first id that is not, by its name, a model for something else."""
    return next((model for model in ids if model and not _NO_CHAT.search(model)), None)


async def _ask(name: str, port: int, deadline: float) -> FoundServer | None:
    base_url = f"http://127.0.0.1:{port}/v1"
    try:
        body = await _list(base_url, deadline)
        models = msgspec.json.decode(body, type=_Models)
    # A time limit is an OSError, broken JSON a ValueError, JSON of a million brackets a RecursionError.
    except (Broken, NotHttp, OSError, ValueError, RecursionError):
        return None
    model = first_chat_model([model.id for model in models.data])
    return FoundServer(name, base_url, model, listed_size(body, model).tokens) if model else None


async def _list(base_url: str, deadline: float) -> bytes:
    """What the server lists; nothing where it refuses, or lists without end."""
    endpoint = parse_endpoint(base_url)
    connections = Connections(endpoint, keep=False)
    request = endpoint.begin(
        "GET", "/models", {"Accept": "application/json", "User-Agent": "lianhua", "Connection": "close"}
    )
    try:
        return await read_list(connections, request, MODELS_BODY_BYTES, deadline)
    finally:
        connections.close()
