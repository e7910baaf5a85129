"""One chunk of a streamed reply, as servers send it: decoded strictly and fast, and where that fails, leniently."""

import json
from typing import Any

import msgspec
from msgspec import Struct


# The fields that are read, and no others: skipping the rest is what makes the decoder fast. No circle can come about,
# so the collector of circles need not know them.
class ChunkDelta(Struct, gc=False):
    """What a chunk adds to the reply."""

    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    images: Any = None


class Choice(Struct, gc=False):
    """One of the replies in a chunk; we ask for one. An answer that does not stream has `message` for `delta`, and some
    servers send it at the end of a stream, with all of the reply. `usage` and `error` as in `Chunk`.
    """

    delta: ChunkDelta | None = None
    message: ChunkDelta | None = None
    finish_reason: str | None = None
    usage: Any = None
    error: Any = None


class Chunk(Struct, gc=False):
    """`usage`, `error` and `x_groq` are as the server sent them, of any type."""

    choices: list[Choice] | None = None
    usage: Any = None
    error: Any = None
    x_groq: Any = None


_decoder = msgspec.json.Decoder(Chunk)
decode_chunk = _decoder.decode


def decode_chunks(lines: bytes, count: int) -> list[Chunk]:
    """The chunks in `count` lines, one in each. Raises `ValueError` or `RecursionError` where it is not surely so.

    Between any two lines has to stand `}`, a line feed and `{`. No JSON value holds those in a row, so none can go
    beyond its line, and when there are as many values as lines, each line is one.
    """
    chunks = _decoder.decode_lines(lines)
    if len(chunks) != count:
        raise ValueError("lines of more than one value")
    return chunks


def lenient_chunks(data: bytes) -> list[Chunk]:
    """The chunks in data that `decode_chunk` refused: odd types, broken UTF-8, control characters, several lines.

    Their text may hold surrogates. What does not even look like JSON ("ping") is no chunk. Raises `ValueError` where it
    looks like JSON and is none.
    """
    text = data.decode("utf-8", "replace").strip()
    if not text.startswith(("{", "[")):
        return []
    try:
        return [_from_object(json.loads(text, strict=False))]
    except ValueError:
        # A server that ends its events with one line end: to the standard they are one event of many lines.
        lines = [line for line in text.split("\n") if line.startswith("{")]
        if len(lines) == 1 and not text.endswith("[DONE]"):
            raise
        return [_from_object(json.loads(line, strict=False)) for line in lines]


def _from_object(found: Any) -> Chunk:
    if not isinstance(found, dict):
        return Chunk()
    choices = found.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None
    read = None
    if choice is not None:
        reason = choice.get("finish_reason")
        read = [
            Choice(
                delta=_from_delta(choice.get("delta")),
                message=_from_delta(choice.get("message")),
                finish_reason=reason if isinstance(reason, str) else None,
                usage=choice.get("usage"),
                error=choice.get("error"),
            )
        ]
    return Chunk(choices=read, usage=found.get("usage"), error=found.get("error"), x_groq=found.get("x_groq"))


def _from_delta(delta: Any) -> ChunkDelta | None:
    if not isinstance(delta, dict):
        return None
    content = delta.get("content")
    return ChunkDelta(
        content=_said(content),
        # Mistral's reasoning models think inside a list of content parts.
        reasoning=_said(delta.get("reasoning_content") or delta.get("reasoning")) or _thought(content),
        refusal=_said(delta.get("refusal")),
        images=delta.get("images") or _has_picture(content),
    )


def _said(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(
        part["text"]
        for part in parts
        if isinstance(part, dict) and part.get("type", "text") == "text" and isinstance(part.get("text"), str)
    )


def _thought(content: Any) -> str:
    parts = content if isinstance(content, list) else []
    return "".join(_said(part.get("thinking")) for part in parts if isinstance(part, dict))


def _has_picture(content: Any) -> bool:
    parts = content if isinstance(content, list) else []
    return any(isinstance(part, dict) and "image" in str(part.get("type")) for part in parts)
