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
    reasoning_details: Any = None  # OpenRouter and MiniMax: a list of parts
    thinking: str | None = None
    reasoning_text: str | None = None  # Copilot
    tool_calls: Any = None
    function_call: Any = None
    audio: Any = None


class Choice(Struct, gc=False):
    """One of the replies in a chunk; we ask for one. An answer that does not stream has `message` for `delta`, and some
    servers send it at the end of a stream, with all of the reply. `usage` and `error` as in `Chunk`.
    """

    delta: ChunkDelta | None = None
    message: ChunkDelta | None = None
    text: str | None = None
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
# A chunk of text, without that text.
PLAIN = Chunk(choices=[Choice(delta=ChunkDelta())])


def plain_text(chunk: Chunk) -> str | None:
    """The text of a chunk that brings some and nothing else, which is taken out of it; else None, and it stays."""
    choices = chunk.choices
    if choices and (delta := choices[0].delta) is not None and (content := delta.content):
        delta.content = None
        # One comparison, where a look at each field would take as long as the decoding.
        if chunk == PLAIN and "\0" not in content:
            return content
        delta.content = content
    return None


def thought_in(delta: ChunkDelta) -> str | None:
    """The reasoning in a delta. Many servers send the same under several names; it is said once."""
    if reasoning := delta.reasoning_content or delta.reasoning or delta.thinking or delta.reasoning_text:
        return reasoning
    return _detailed(delta.reasoning_details) if delta.reasoning_details else None


def spoken_in(delta: ChunkDelta) -> str | None:
    """What an answer in sound says."""
    spoken = delta.audio.get("transcript") if isinstance(delta.audio, dict) else None
    return spoken if isinstance(spoken, str) else None


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
    while text.startswith("data:"):  # a gateway that has wrapped events in events
        text = text.removeprefix("data:").lstrip()
    if not text.startswith(("{", "[")):
        return []
    try:
        return [_from_object(json.loads(text, strict=False))]
    except ValueError:
        if several := _objects_in(text):
            return list(map(_from_object, several))
        # A server that ends its events with one line end: to the standard they are one event of many lines.
        lines = [line for line in text.split("\n") if line.startswith("{")]
        if len(lines) == 1 and not text.endswith("[DONE]"):
            raise
        return [_from_object(json.loads(line, strict=False)) for line in lines]


def _objects_in(text: str) -> list[Any]:
    """The objects that stand in one line behind each other; none where anything else is there."""
    found, at, decoder = [], 0, json.JSONDecoder(strict=False)
    while "\n" not in text and text.startswith("{", at):
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError:
            return []
        found.append(value)
    return found if at == len(text) else []


def _from_object(found: Any) -> Chunk:
    if not isinstance(found, dict):
        return Chunk()
    choices = found.get("choices")
    if isinstance(choices, dict):
        choices = [choices]
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None
    read = None
    if choice is not None:
        reason = choice.get("finish_reason")
        read = [
            Choice(
                delta=_from_delta(choice.get("delta")),
                message=_from_delta(choice.get("message")),
                text=_said(choice.get("text")),
                finish_reason=reason if isinstance(reason, str) else None,
                usage=choice.get("usage"),
                error=choice.get("error"),
            )
        ]
    return Chunk(choices=read, usage=found.get("usage"), error=found.get("error"), x_groq=found.get("x_groq"))


def native_chunk(found: Any) -> Chunk | None:
    """A chunk of a protocol that is not OpenAI's, as some gateways pass it on: Ollama's own, whose `message` stands
    alone, Workers AI's and Ollama's `response`; None for anything else."""
    if not isinstance(found, dict):
        return None
    message = found.get("message")
    said = message if isinstance(message, dict) else {"content": found.get("response")}
    reason = found.get("done_reason")
    if "done" not in found and not _said(said.get("content")):
        return None
    usage = {"prompt_tokens": found.get("prompt_eval_count"), "completion_tokens": found.get("eval_count")}
    done = bool(found.get("done"))
    choice = Choice(
        delta=_from_delta(said), finish_reason=(reason if isinstance(reason, str) else "stop") if done else None
    )
    return Chunk(choices=[choice], usage=usage)


def _from_delta(delta: Any) -> ChunkDelta | None:
    if isinstance(delta, str):
        return ChunkDelta(content=delta)
    if not isinstance(delta, dict):
        return None
    content = delta.get("content")
    names = ("reasoning_content", "reasoning", "thinking", "reasoning_text")
    reasoning = next(filter(None, map(delta.get, names)), None)
    return ChunkDelta(
        content=_said(content),
        # Mistral's reasoning models think inside a list of content parts.
        reasoning=_said(reasoning) or _thought(content),
        refusal=_said(delta.get("refusal")),
        images=delta.get("images") or _has_picture(content),
        reasoning_details=delta.get("reasoning_details"),
        tool_calls=delta.get("tool_calls"),
        function_call=delta.get("function_call"),
        audio=delta.get("audio"),
    )


_THINKING = ("thinking", "reasoning", "thought", "reasoning_content")


def _said(content: Any) -> str:
    """Text in any of its forms: as it is, as parts, as one part, as the number that a token happens to be."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(map(_said, content))
    if isinstance(content, dict):
        is_thought = content.get("type") in _THINKING
        return "" if is_thought else _said(content.get("text"))
    return str(content) if isinstance(content, int | float) and not isinstance(content, bool) else ""


def _thought(content: Any) -> str:
    parts = content if isinstance(content, list) else [content]
    thoughts = (part for part in parts if isinstance(part, dict) and part.get("type") in _THINKING)
    return "".join(_said(part.get("thinking") or part.get("reasoning") or part.get("text")) for part in thoughts)


def _detailed(details: Any) -> str:
    """OpenRouter's `reasoning.text` and `reasoning.summary`, MiniMax's parts; not what is encrypted."""
    parts = [part for part in details if isinstance(part, dict)] if isinstance(details, list) else []
    return "".join(_said(part.get("text") or part.get("summary")) for part in parts)


def _has_picture(content: Any) -> bool:
    parts = content if isinstance(content, list) else []
    return any(isinstance(part, dict) and "image" in str(part.get("type")) for part in parts)
