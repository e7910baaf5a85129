"""Finding a model server that already runs on this machine: three well-known ports on loopback and nowhere else."""

import asyncio
import re
from collections.abc import Sequence

import aiohttp
import msgspec
from aiohttp.http import HttpProcessingError
from msgspec import Struct

# Where each listens by default, in the order in which they are preferred. docs.ollama.com/faq;
# lmstudio.ai/docs/developer/core/server; llama.cpp tools/server/README.md
LOCAL_SERVERS: tuple[tuple[str, int], ...] = (("Ollama", 11434), ("LM Studio", 1234), ("llama.cpp", 8080))
# A list of models is a few KiB; whatever else listens on such a port may send anything.
MODELS_BODY_BYTES = 256 * 1024

# By their usual names: models that turn text into vectors, scores or sound, or sound into text.
_NO_CHAT = re.compile(
    r"embed|rerank|whisper|moderation|dall-e|minilm"
    r"|(?:^|[/:_-])(?:tts|bge|gte|e5|nomic|jina|clip)(?:[-_:.]|$)",
    re.IGNORECASE,
)


class FoundServer(Struct, frozen=True):
    """A server that answered. `base_url` ends in `/v1`; `model` is the first of its models that can chat."""

    name: str
    base_url: str
    model: str


class _Model(Struct):
    id: str


class _Models(Struct):
    data: list[_Model]


async def find_local_server(
    timeout_s: float = 0.2, servers: Sequence[tuple[str, int]] = LOCAL_SERVERS
) -> FoundServer | None:
    """The first of `servers` (name and port, most preferred first) on 127.0.0.1 that has a model to chat with.

    All are asked at once and have `timeout_s` seconds together. Never raises.
    """
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=timeout_s), cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
    ) as session:
        found = await asyncio.gather(*(_ask(session, name, port) for name, port in servers))
    return next((server for server in found if server is not None), None)


def first_chat_model(ids: Sequence[str]) -> str | None:
    """The first id that is not, by its name, a model for something else."""
    return next((model for model in ids if model and not _NO_CHAT.search(model)), None)


async def _ask(session: aiohttp.ClientSession, name: str, port: int) -> FoundServer | None:
    base_url = f"http://127.0.0.1:{port}/v1"
    try:
        async with session.get(f"{base_url}/models", allow_redirects=False) as response:
            if response.status != 200:
                return None
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MODELS_BODY_BYTES:
                    return None
        models = msgspec.json.decode(body, type=_Models)
    # A time limit is an OSError, broken JSON a ValueError, JSON of a million brackets a RecursionError.
    except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError, RecursionError):
        return None
    model = first_chat_model([model.id for model in models.data])
    return FoundServer(name, base_url, model) if model else None
