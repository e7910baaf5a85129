"""One reply, read from its events: leniently, but text that cannot be read is a fault and never a gap."""

from collections.abc import Sequence
from typing import Any

from lianhua.errors import ModelBadResponse
from lianhua.messages import Usage
from lianhua.models.chunk import Choice, Chunk, decode_chunk, decode_chunks, lenient_chunks
from lianhua.models.faults import Fault, fault_of_event, read_complaint
from lianhua.models.port import Delta, Finish, ReasoningDelta, TextDelta
from lianhua.sse import Decoder, Event


class ReplyReader:
    """Reads one reply. `done` once the server said that no more follows, `finish_reason` once the model did.

    `heard`: what was fed last completed an event.
    """

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self.done = False
        self.fault: Fault | None = None
        self.saw_choices = False
        self.heard = False
        self._decoder = Decoder()
        self._batch = _Batch()
        self._usage: Any = None
        self._text = _Mender()
        self._reasoning = _Mender()

    def feed(self, chunk: bytes) -> list[Delta]:
        """The deltas in the next bytes, up to the server's end mark or the first fault, which is then in `fault`.

        Raises `EventTooLong`.
        """
        lines, count = self._decoder.objects(chunk)
        if not count:
            return self.read(self._decoder.feed(chunk))
        try:
            chunks = decode_chunks(lines, count) if count > 1 else (decode_chunk(lines),)
        except (ValueError, RecursionError):
            return self.read([Event(line) for line in lines.split(b"\n")])
        self.heard = True
        batch = self._batch
        for found in chunks:
            self._take(found, False, batch)
            if self.fault is not None:
                break
        return batch.take()

    def close(self) -> list[Delta]:
        """The deltas in what is left at the end of the bytes; they may have ended inside an event."""
        return self.read(self._decoder.close(), cut_short=True)

    def read(self, events: Sequence[Event], *, cut_short: bool = False) -> list[Delta]:
        """The deltas in `events`, as of `feed`.

        With `cut_short` the stream may have ended inside the last event, and what cannot be read is no fault.
        """
        self.heard = bool(events)
        batch = self._batch
        for event in events:
            data = event.data
            if data.startswith(b"[DONE]"):
                self.done = True
                break
            try:
                self._take(decode_chunk(data), False, batch)
            except (ValueError, RecursionError):
                self._read_odd(data, cut_short, batch)
            if self.fault is not None or self.done:
                break
        return batch.take()

    def finish(self) -> list[Delta]:
        """The last deltas of a reply that is complete."""
        batch: list[Delta] = []
        if self._reasoning.half:
            batch.append(ReasoningDelta("\ufffd"))
        if self._text.half:
            batch.append(TextDelta("\ufffd"))
        # `[DONE]` alone is how servers end that know no finish reasons.
        batch.append(Finish(self.finish_reason or "stop", read_usage(self._usage)))
        return batch

    def _read_odd(self, data: bytes, cut_short: bool, batch: "_Batch") -> None:
        try:
            chunks = lenient_chunks(data)
        except (ValueError, RecursionError):
            if not cut_short:
                self.fault = Fault(ModelBadResponse("an event that is not JSON"))
            return
        for chunk in chunks:
            self._take(chunk, True, batch)
        self.done = data.endswith(b"\n[DONE]")

    def _take(self, chunk: Chunk, odd: bool, batch: "_Batch") -> None:
        if chunk.choices:
            self._choice(chunk.choices[0], odd, batch)
        if chunk.usage:
            self._usage = chunk.usage
        if chunk.error:
            self.fault = fault_of_event(read_complaint(chunk.error))

    def _choice(self, choice: Choice, odd: bool, batch: "_Batch") -> None:
        self.saw_choices = True
        delta = choice.delta or choice.message
        if delta is not None:
            # vLLM and OpenRouter send the same reasoning under both names for a while; it is said once.
            reasoning = delta.reasoning_content or delta.reasoning
            if reasoning:
                batch.add(ReasoningDelta, self._reasoning.mend(reasoning, odd))
            if delta.content:
                batch.add(TextDelta, self._text.mend(delta.content, odd))
            if delta.refusal:
                batch.add(TextDelta, self._text.mend(delta.refusal, odd))
        # Some servers put "" into every chunk.
        if choice.finish_reason:
            self.finish_reason = choice.finish_reason


class _Batch:
    """Deltas as they come, neighbours of a kind made one: a fast model brings hundreds in one read."""

    def __init__(self) -> None:
        self._deltas: list[Delta] = []
        self._kind: type[TextDelta | ReasoningDelta] = TextDelta
        self._pieces: list[str] = []

    def add(self, kind: type[TextDelta | ReasoningDelta], piece: str) -> None:
        if kind is not self._kind:
            self._join()
            self._kind = kind
        self._pieces.append(piece)

    def take(self) -> list[Delta]:
        """What was added since the last time."""
        self._join()
        deltas, self._deltas = self._deltas, []
        return deltas

    def _join(self) -> None:
        if text := "".join(self._pieces):
            self._deltas.append(self._kind(text))
        self._pieces.clear()


class _Mender:
    """Makes pieces of text valid Unicode. `half` is a surrogate whose other half the next piece may bring."""

    def __init__(self) -> None:
        self.half = ""

    def mend(self, piece: str, odd: bool) -> str:
        """`piece` with surrogate pairs joined, lone ones made U+FFFD, and NULs removed: nobody can see those, and not
        everything can store them. Only an `odd` piece, one that the strict decoder refused, may hold surrogates."""
        if odd or self.half:
            text = self.half + piece
            self.half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
            whole = text[: len(text) - len(self.half)]
            piece = whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return piece.replace("\0", "") if "\0" in piece else piece


def read_usage(usage: Any) -> Usage | None:
    """Token counts as servers send them; None where there are none to trust."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = _tokens(usage.get("prompt_tokens")), _tokens(usage.get("completion_tokens"))
    return Usage(prompt, completion) if prompt + completion else None


def _tokens(count: Any) -> int:
    return int(count) if isinstance(count, int | float) and 0 <= count < 1e12 else 0
