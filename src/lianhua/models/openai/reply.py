"""One reply, read from its events: leniently, but text that cannot be read is a fault and never a gap."""

import json
from collections.abc import Sequence
from typing import Any

from lianhua.errors import ModelBadResponse
from lianhua.models.openai.chunk import (
    PLAIN,
    Choice,
    Chunk,
    ChunkDelta,
    decode_chunk,
    decode_chunks,
    lenient_chunks,
    native_chunk,
    plain_text,
    spoken_in,
    thought_in,
)
from lianhua.models.openai.delta_batch import DeltaBatch, Kind
from lianhua.models.openai.errors import (
    Fault,
    failure_in,
    fault_of_event,
    fault_of_reason,
    is_plain_error,
    read_complaint,
)
from lianhua.models.openai.finish_reasons import FAILED, read_reason
from lianhua.models.openai.growing import Growth
from lianhua.models.openai.surrogates import UnicodeMender
from lianhua.models.openai.usage import read_usage, says_something
from lianhua.models.port import Corrected, Delta, Finish, PictureLeftOut, ReasoningDelta, TextDelta
from lianhua.models.thoughts import ThoughtSplitter
from lianhua.sse import Decoder, Event

# What stands in an event that only says that it is the last.
_NOTHING = (b"", b"{}", b"null", b"[DONE]", b"done", b"true")


class ReplyReader:
    """Reads one reply. `done` once the server said that no more follows, `finish_reason` once the model did and nothing
    of the reply has come since; if something did come, or nothing had before, the reason `was_early`.

    `heard`: what was fed last completed an event. `has_begun`: there was something of a reply. `watches` as of
    `ThoughtSplitter`.
    """

    def __init__(self, *, watches: bool = True) -> None:
        self.finish_reason: str | None = None
        self.was_early = False
        self.done = False
        self.fault: Fault | None = None
        self.saw_choices = False
        self.heard = False
        self._decoder = Decoder()
        self._batch = DeltaBatch()
        self._usage: Any = None
        self._text = UnicodeMender()
        self._reasoning = UnicodeMender()
        self._text_growth = Growth()
        self._reasoning_growth = Growth()
        self._watches = watches
        self._thoughts = ThoughtSplitter(watches=watches)
        self._is_plain = False  # nothing is known or looked for that a piece of plain text could change
        self._early_reason: str | None = None
        self._has_picture = self._has_call = False

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
        batch, append = self._batch, None
        if self._is_plain:
            if count == 1 and (text := plain_text(chunks[0])):
                if self._thoughts.settled or self._thoughts.passes(text):
                    return batch.take_text(text)
                batch.add(TextDelta, text)
                return self._split_thoughts(batch.take())
            append = batch.text_pieces()
        for found in chunks:
            # As `plain_text`, of which the call takes a tenth of all the time here.
            if append and (choices := found.choices) and (delta := choices[0].delta) and (content := delta.content):
                delta.content = None
                if found == PLAIN:
                    append(content)
                    continue
                delta.content = content
            if found.choices:
                self._take(found, False, batch)
            else:
                place = next(place for place, other in enumerate(chunks) if other is found)
                self._take_odd(found, lines.split(b"\n")[place], False, batch)
            if self.fault is not None:
                break
            self._is_plain = self._has_settled()
            append = batch.text_pieces() if self._is_plain else None
        return self._split_thoughts(batch.take())

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
            if data.startswith(b"[DONE]") or (event.name == "done" and data in _NOTHING):
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
        self._is_plain = self._has_settled()
        deltas = self._split_thoughts(batch.take())
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
        if self._has_call and not self._batch.whole(TextDelta):
            reason = "tool_calls"
        deltas = self._split_thoughts(self._batch.take()) + self._thoughts.close(complete=reason == "stop")
        return [*deltas, Finish(reason, read_usage(self._usage))]

    def break_off(self) -> list[Delta]:
        """What was held back of a reply that is not complete."""
        return self._thoughts.close(complete=False)

    def _has_settled(self) -> bool:
        """Whether a piece of plain text could change nothing that is known of the reply."""
        return self._text_growth.settled and self.finish_reason is None and not self._text.half

    def _split_thoughts(self, batch: list[Delta]) -> list[Delta]:
        """The batch with the thoughts in its text made reasoning."""
        thoughts = self._thoughts
        if len(batch) == 1 and type(batch[0]) is TextDelta and (thoughts.settled or thoughts.passes(batch[0].text)):
            return batch
        deltas: list[Delta] = []
        for delta in batch:
            if type(delta) is TextDelta:
                deltas += thoughts.feed(delta.text)
            else:
                if type(delta) is ReasoningDelta:
                    thoughts.reasoning_is_apart(delta.text)
                elif type(delta) is Corrected:
                    thoughts = self._thoughts = ThoughtSplitter(watches=self._watches)
                deltas.append(delta)
        return deltas

    def _read_lenient(self, data: bytes, cut_short: bool, batch: DeltaBatch) -> None:
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
        self.done = data.endswith(b"\n[DONE]") or data.strip(b' "').upper() == b"[DONE]"

    def _take_odd(self, chunk: Chunk, data: bytes, odd: bool, batch: DeltaBatch) -> None:
        """A chunk that may hold no reply: then it may be an error of any shape."""
        self._take(chunk, odd, batch)
        if chunk.choices or self.fault is not None:
            return
        found = _any_json(data)
        if failure := failure_in(found):
            self.fault = fault_of_event(read_complaint(failure))
        elif native := native_chunk(found):
            self._take(native, True, batch)

    def _fail(self, data: bytes) -> None:
        found = _any_json(data)
        failure = failure_in(found) or found or data.decode("utf-8", "replace")
        self.fault = fault_of_event(read_complaint(failure))

    def _take(self, chunk: Chunk, odd: bool, batch: DeltaBatch) -> None:
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

    def _choice(self, choice: Choice, odd: bool, batch: DeltaBatch) -> None:
        is_beginning = bool(choice.finish_reason) and not batch.has_said
        if choice.delta:
            self._take_delta(choice.delta, bool(choice.finish_reason), odd, batch)
        elif choice.text:  # as of the older completions
            self._add(TextDelta, self._text.mend(choice.text, odd), self._text_growth, batch)
        if choice.message:
            self._take_message(choice.message, odd, batch)
        # Some servers put "" into every chunk.
        if choice.finish_reason and (reason := read_reason(choice.finish_reason)):
            self.finish_reason = reason
            self.was_early = self.was_early or is_beginning
            if reason == FAILED:
                self.fault = fault_of_reason(choice.error)
        if choice.usage and says_something(choice.usage):
            self._usage = choice.usage
        if choice.error and self.fault is None:
            self.fault = fault_of_reason(choice.error)

    def _take_delta(self, delta: ChunkDelta, is_last: bool, odd: bool, batch: DeltaBatch) -> None:
        reasoning, content = thought_in(delta), delta.content or spoken_in(delta)
        if content and is_last and batch.repeats(content):
            content = None
        if (reasoning or content) and self.finish_reason is not None:
            self._go_on()
        if reasoning:
            self._add(ReasoningDelta, self._reasoning.mend(reasoning, odd), self._reasoning_growth, batch)
        if content:
            self._add(TextDelta, self._text.mend(content, odd), self._text_growth, batch)
        if delta.refusal and delta.refusal != content:
            batch.add(TextDelta, self._text.mend(delta.refusal, odd))
        self._note_what_is_no_text(delta, batch)

    def _note_what_is_no_text(self, delta: ChunkDelta, batch: DeltaBatch) -> None:
        if delta.images:
            self._leave_out_picture(batch)
        if delta.tool_calls or delta.function_call:
            self._has_call = True

    def _take_message(self, message: ChunkDelta, odd: bool, batch: DeltaBatch) -> None:
        """The whole reply, once for all or behind the pieces that it was made of; by odd servers only a piece."""
        reasoning = thought_in(message)
        if new := batch.new_of(ReasoningDelta, self._reasoning.mend(reasoning, odd) if reasoning else ""):
            batch.add_message(ReasoningDelta, new)
        content = message.content or message.refusal
        if new := batch.new_of(TextDelta, self._text.mend(content, odd) if content else ""):
            batch.add_message(TextDelta, new)
            if self.finish_reason is not None:
                self._go_on()
        self._note_what_is_no_text(message, batch)

    def _add(self, kind: Kind, piece: str, growth: Growth, batch: DeltaBatch) -> None:
        """A piece of the reply, unless each is all of it so far."""
        if growth.settled or not piece:
            batch.add(kind, piece)
        elif growth.begins(piece):
            reasoning, text = batch.whole(ReasoningDelta), batch.whole(TextDelta)
            batch.begin_anew()
            batch.add(ReasoningDelta, piece if kind is ReasoningDelta else reasoning)
            batch.add(TextDelta, piece if kind is TextDelta else text)
        else:
            batch.add(kind, growth.new_in(piece))

    def _go_on(self) -> None:
        """The reply goes on behind a reason for its end, which so was none."""
        self._early_reason, self.finish_reason, self.was_early = self.finish_reason, None, True

    def _leave_out_picture(self, batch: DeltaBatch) -> None:
        if not self._has_picture:
            self._has_picture = True
            batch.add_other(PictureLeftOut())


def _any_json(data: bytes) -> Any:
    """What the data holds; None where it is no JSON."""
    try:
        return json.loads(data.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None
