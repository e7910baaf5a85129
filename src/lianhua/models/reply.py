"""One reply, read from its events: leniently, but text that cannot be read is a fault and never a gap."""

import json
from collections.abc import Sequence
from typing import Any, Final

from lianhua.errors import ModelBadResponse
from lianhua.models.chunk import Choice, Chunk, ChunkDelta, decode_chunk, decode_chunks, lenient_chunks
from lianhua.models.faults import Fault, failure_in, fault_of_event, fault_of_reason, is_plain_error, read_complaint
from lianhua.models.port import Delta, Finish, PictureLeftOut, ReasoningDelta, TextDelta
from lianhua.models.reasons import FAILED, read_reason
from lianhua.models.spent import read_usage, says_something
from lianhua.models.thoughts import ThoughtSplitter
from lianhua.sse import Decoder, Event

# A last chunk of so many characters that says again, as its own text, what several chunks have said: not by chance.
REPEATED_CHARS: Final = 8

_Kind = type[TextDelta | ReasoningDelta]


class ReplyReader:
    """Reads one reply. `done` once the server said that no more follows, `finish_reason` once the model did and nothing
    of the reply has come since; if something did come, the reason `was_early`.

    `heard`: what was fed last completed an event. `has_begun`: there was something of a reply. With `goes_on` the
    server was given its beginning, and what it sends may begin in the midst of anything.
    """

    def __init__(self, *, goes_on: bool = False) -> None:
        self.finish_reason: str | None = None
        self.was_early = False
        self.done = False
        self.fault: Fault | None = None
        self.saw_choices = False
        self.heard = False
        self._decoder = Decoder()
        self._batch = _Batch()
        self._usage: Any = None
        self._text = _Mender()
        self._reasoning = _Mender()
        self._thoughts = ThoughtSplitter(watches=not goes_on)
        self._early_reason: str | None = None
        self._has_picture = False

    @property
    def has_begun(self) -> bool:
        return self._batch.has_said or self._has_picture

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
            if found.choices:
                self._take(found, False, batch)
            else:
                place = next(place for place, other in enumerate(chunks) if other is found)
                self._take_odd(found, lines.split(b"\n")[place], False, batch)
            if self.fault is not None:
                break
        return self._told_apart(batch.take())

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
            if event.name == "error":
                self._fail(data)
                break
            try:
                self._take_odd(decode_chunk(data), data, False, batch)
            except (ValueError, RecursionError):
                self._read_lenient(data, cut_short, batch)
            if self.fault is not None or self.done:
                break
        deltas = self._told_apart(batch.take())
        if self._decoder.has_emptied and not self._has_picture:
            self._has_picture = True
            deltas.append(PictureLeftOut())
        return deltas

    def finish(self) -> list[Delta]:
        """The last deltas of a reply that is complete."""
        if self._reasoning.half:
            self._batch.add(ReasoningDelta, "\ufffd")
        if self._text.half:
            self._batch.add(TextDelta, "\ufffd")
        # `[DONE]` alone is how servers end that know no finish reasons.
        reason = self.finish_reason or self._early_reason or "stop"
        deltas = self._told_apart(self._batch.take()) + self._thoughts.close(complete=reason == "stop")
        return [*deltas, Finish(reason, read_usage(self._usage))]

    def break_off(self) -> list[Delta]:
        """What was held back of a reply that is not complete."""
        return self._thoughts.close(complete=False)

    def _told_apart(self, batch: list[Delta]) -> list[Delta]:
        """The batch with the thoughts in its text made reasoning."""
        thoughts = self._thoughts
        if thoughts.settled or (len(batch) == 1 and type(batch[0]) is TextDelta and thoughts.passes(batch[0].text)):
            return batch
        deltas: list[Delta] = []
        for delta in batch:
            if type(delta) is TextDelta:
                deltas += thoughts.feed(delta.text)
            else:
                if type(delta) is ReasoningDelta:
                    thoughts.reasoning_is_apart()
                deltas.append(delta)
        return deltas

    def _read_lenient(self, data: bytes, cut_short: bool, batch: "_Batch") -> None:
        try:
            chunks = lenient_chunks(data)
        except (ValueError, RecursionError):
            if not cut_short:
                self.fault = Fault(ModelBadResponse("an event that is not JSON"))
            return
        for chunk in chunks:
            self._take_odd(chunk, data, True, batch)
        if not chunks and is_plain_error(data):
            self._fail(data)
        self.done = data.endswith(b"\n[DONE]")

    def _take_odd(self, chunk: Chunk, data: bytes, odd: bool, batch: "_Batch") -> None:
        """A chunk that may hold no reply: then it may be an error of any shape."""
        self._take(chunk, odd, batch)
        if not chunk.choices and self.fault is None and (failure := failure_in(_any_json(data))):
            self.fault = fault_of_event(read_complaint(failure))

    def _fail(self, data: bytes) -> None:
        found = _any_json(data)
        failure = failure_in(found) or found or data.decode("utf-8", "replace")
        self.fault = fault_of_event(read_complaint(failure))

    def _take(self, chunk: Chunk, odd: bool, batch: "_Batch") -> None:
        if chunk.choices:
            self.saw_choices = True
            self._choice(chunk.choices[0], odd, batch)
        if chunk.usage and says_something(chunk.usage):
            self._usage = chunk.usage
        if chunk.error:
            self.fault = fault_of_event(read_complaint(chunk.error))
        elif chunk.x_groq:
            self._take_groq(chunk.x_groq)

    def _take_groq(self, more: Any) -> None:
        """Groq's `x_groq`: the usage, and why a stream was ended early."""
        if isinstance(more, dict):
            if says_something(more.get("usage")):
                self._usage = more["usage"]
            if error := more.get("error"):
                self.fault = fault_of_reason({"code": error} if isinstance(error, str) else error)

    def _choice(self, choice: Choice, odd: bool, batch: "_Batch") -> None:
        if delta := choice.delta:
            # vLLM and OpenRouter send the same reasoning under both names for a while; it is said once.
            reasoning, content = delta.reasoning_content or delta.reasoning, delta.content
            if content and choice.finish_reason and batch.repeats(content):
                content = None
            if (reasoning or content) and self.finish_reason is not None:
                self._go_on()
            if reasoning:
                batch.add(ReasoningDelta, self._reasoning.mend(reasoning, odd))
            if content:
                batch.add(TextDelta, self._text.mend(content, odd))
            if delta.refusal:
                batch.add(TextDelta, self._text.mend(delta.refusal, odd))
            if delta.images:
                self._leave_out_picture(batch)
        if choice.message:
            self._take_message(choice.message, odd, batch)
        # Some servers put "" into every chunk.
        if choice.finish_reason and (reason := read_reason(choice.finish_reason)):
            self.finish_reason = reason
            if reason == FAILED:
                self.fault = fault_of_reason(choice.error)
        if choice.usage and says_something(choice.usage):
            self._usage = choice.usage
        if choice.error and self.fault is None:
            self.fault = fault_of_reason(choice.error)

    def _take_message(self, message: ChunkDelta, odd: bool, batch: "_Batch") -> None:
        """The whole reply, once for all or behind the pieces that it was made of; by odd servers only a piece."""
        reasoning = message.reasoning_content or message.reasoning
        if new := batch.new_of(ReasoningDelta, self._reasoning.mend(reasoning, odd) if reasoning else ""):
            batch.add_message(ReasoningDelta, new)
        content = message.content or message.refusal
        if new := batch.new_of(TextDelta, self._text.mend(content, odd) if content else ""):
            batch.add_message(TextDelta, new)
            if self.finish_reason is not None:
                self._go_on()
        if message.images:
            self._leave_out_picture(batch)

    def _go_on(self) -> None:
        """The reply goes on behind a reason for its end, which so was none."""
        self._early_reason, self.finish_reason, self.was_early = self.finish_reason, None, True

    def _leave_out_picture(self, batch: "_Batch") -> None:
        if not self._has_picture:
            self._has_picture = True
            batch.add_other(PictureLeftOut())


class _Batch:
    """Deltas as they come, neighbours of a kind made one: a fast model brings hundreds in one read.

    Remembers what was said of each kind, for servers that say all of it again.
    """

    def __init__(self) -> None:
        self._deltas: list[Delta] = []
        self._kind: _Kind = TextDelta
        self._pieces: list[str] = []
        self._said: dict[_Kind, list[str]] = {TextDelta: [], ReasoningDelta: []}
        self._said_now = self._said[TextDelta]  # of the kind that comes now
        self._count = 0  # of the pieces that were taken
        self._in_messages: set[_Kind] = set()  # the kinds of which all came in whole messages

    def add(self, kind: _Kind, piece: str) -> None:
        if kind is not self._kind:
            self._join()
            self._kind = kind
            self._said_now = self._said[kind]
        self._pieces.append(piece)

    @property
    def has_said(self) -> bool:
        return any(self._said.values())

    def add_message(self, kind: _Kind, text: str) -> None:
        """As `add`, for what came in a whole message."""
        if not self._whole(kind):
            self._in_messages.add(kind)
        self.add(kind, text)

    def add_other(self, delta: Delta) -> None:
        self._join()
        self._deltas.append(delta)

    def take(self) -> list[Delta]:
        """What was added since the last time."""
        self._join()
        deltas, self._deltas = self._deltas, []
        return deltas

    def repeats(self, text: str) -> bool:
        """Whether `text` is all that several pieces have said."""
        if len(text) < REPEATED_CHARS or self._count + len(self._pieces) < 2:
            return False
        return self._whole(TextDelta) == text

    def new_of(self, kind: _Kind, message: str) -> str:
        """What a whole message has that was not said yet.

        One that does not begin with what was said is another wording of it (trimmed, say), and has nothing new; unless
        all came in messages: then they are the pieces.
        """
        said = self._whole(kind)
        if message.startswith(said):
            return message[len(said) :]
        return message if kind in self._in_messages else ""

    def _whole(self, kind: _Kind) -> str:
        self._join()
        said = self._said[kind]
        if len(said) > 1:
            said[:] = ["".join(said)]
        return said[0] if said else ""

    def _join(self) -> None:
        pieces = self._pieces
        if text := "".join(pieces):
            self._deltas.append(self._kind(text))
            self._said_now.append(text)
            self._count += len(pieces)
        pieces.clear()


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


def _any_json(data: bytes) -> Any:
    """What the data holds; None where it is no JSON."""
    try:
        return json.loads(data.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None
