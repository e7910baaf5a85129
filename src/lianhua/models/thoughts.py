"""Thoughts that a model writes into its reply, between marks at its beginning, told apart from the reply. Pure.

A server that takes them out itself sends them in a field of their own. The marks are those of the models' chat
templates: Qwen, DeepSeek and GLM (`<think>`), Magistral (`[THINK]`), Seed (`<seed:think>`), Kimi (`◁think▷`), Cohere
(`<|START_THINKING|>`), OpenThinker (`<|begin_of_thought|>`), Gemma 4 (`<|channel>thought`), gpt-oss (harmony channels),
and what people prompt for.
"""

import re
from collections.abc import Callable
from typing import Final

from lianhua.models.port import Corrected, Delta, ReasoningDelta, TextDelta

# By its opening mark in lower case, the mark that closes it.
PAIRS: Final = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<reasoning>": "</reasoning>",
    "<thought>": "</thought>",
    "<seed:think>": "</seed:think>",
    "[think]": "[/think]",
    "◁think▷": "◁/think▷",
    "<|start_thinking|>": "<|end_thinking|>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|channel>thought": "<channel|>",
}
# Harmony (openai/harmony, "Chat Format"): `<|start|>role<|channel|>name<|message|>text`, and one of three ends.
_HARMONY_STARTS: Final = ("<|channel|>", "<|start|>")
_HARMONY = re.compile(r"<\|(start|channel|message|end|return|call)\|>")
_HARMONY_CUT = re.compile(r"<(?:\|[a-z]{0,7}\|?)?\Z")
# Where the template has written the opening into the prompt, this is how the thoughts end.
_HARMONY_FINALS: Final = (
    "<|end|><|start|>assistant<|channel|>final<|message|>",
    "<|start|>assistant<|channel|>final<|message|>",
    "<|channel|>final<|message|>",
)

_OPENINGS: Final = (*PAIRS, *_HARMONY_STARTS)
_CLOSINGS: Final = (*PAIRS.values(), *_HARMONY_FINALS)


def _any_of(marks: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, marks)), re.IGNORECASE | re.ASCII)


_OPENING = _any_of(_OPENINGS)
_CLOSING = _any_of(_CLOSINGS)

# A header of harmony is a role, a channel and a recipient. What is longer is none.
HEADER_CHARS: Final = 200
# White space that is held back because a mark may follow.
SPACE_CHARS: Final = 256
# Where a server leaves out what is special, this is what remains of harmony: "analysisThe user ...assistantfinalHello".
_BARE_START: Final = "analysis"
_BARE_FINAL: Final = "assistantfinal"
# So much of a reply is its beginning, where a closing mark alone is believed more easily: further on it is more likely
# spoken of, and then half a page would become thoughts.
EARLY_CHARS: Final = 200
# No reply begins with one of these.
_NO_BEGINNING: Final = frozenset(".,;?)]}»”’。，；：？、）】」』")
_QUOTES: Final = frozenset("\"'“”‘’「『«")
# Neither a letter nor a digit, and yet the end of no sentence.
_OPENS: Final = frozenset("([{<«“‘「『（【*_")
# A text with more closing marks in its code is one about them.
MARKS_IN_CODE: Final = 8

_FENCE = re.compile(r"^[ \t>]*(`{3,}|~{3,})(.*)$", re.MULTILINE)
_BACKTICKS = re.compile(r"`+")


def is_in_code(before: str) -> bool:
    """Whether what follows `before` stands in a code block or between backticks, in Markdown."""
    fence, last = "", -1
    for line in _FENCE.finditer(before):
        run, rest = line[1], line[2]
        last = line.start()
        if not fence:
            fence = run if run[0] == "~" or "`" not in rest else ""
        elif run[0] == fence[0] and len(run) >= len(fence) and not rest.strip():
            fence = ""
    line_start = before.rfind("\n") + 1
    if fence or last >= line_start:
        return bool(fence)
    return len(_BACKTICKS.findall(before, line_start)) % 2 == 1


def is_spoken_of(before: str, after: str) -> bool:
    """Whether a closing mark without an opening one, between `before` and `after`, is a word of the text.

    A model that thinks ends its thoughts with a line or a sentence. A mark in the midst of a sentence, between blanks,
    is one that is written about, and so is one with a full stop or a closing bracket behind it. To leave thoughts in a
    reply is the smaller mistake.
    """
    line = before[before.rfind("\n") + 1 :]
    last, rest = line.rstrip()[-1:], after.lstrip(" \t")
    if rest[:1] in _NO_BEGINNING and rest:
        return True
    if not last or (after[:1] in _QUOTES and last in _QUOTES):
        return bool(last)
    is_early = len(before) <= EARLY_CHARS
    if line[-1].isspace():
        ends_sentence = not last.isalnum() and last not in _OPENS
        return not ends_sentence and (not is_early or not rest or rest[:1].islower())
    # Chinese and Japanese put no blanks around what they mention.
    return not is_early and _is_cjk(last) and _is_cjk(after[:1])


def _is_cjk(letter: str) -> bool:
    return "\u3040" <= letter <= "\u9fff" or "\uac00" <= letter <= "\ud7a3"


def mentions_marks(text: str) -> bool:
    """Whether a closing mark stands in it: then a reply may well speak of them, too."""
    return any(mark in text for mark in ("</think", "</reasoning", "</thought", "[/THINK", "◁/think", "</seed:think"))


class ThoughtSplitter:
    """Feed it the text of one reply piece by piece; it holds back only what may be a part of a mark.

    `settled`: all that comes is text, and it need not be fed any more. Unless it `watches`, a closing mark alone is
    text.
    """

    def __init__(self, *, watches: bool = True) -> None:
        self.settled = False
        # Not bound: a splitter that names itself would keep its texts until the collector of circles comes by.
        self._step: Callable[[ThoughtSplitter, str, list[Delta]], str] = ThoughtSplitter._begin
        self._held = ""
        self._said: list[str] = []  # as text
        self._thought: list[str] = []  # as reasoning
        self._watches = watches
        self._apart: list[str] | None = None  # reasoning that came in its own field, as long as thoughts may repeat it
        self._echo = ""  # thoughts that did so, so far
        self._is_apart = False
        self._has_thought = False
        self._closing = ""
        self._in_code = 0  # closing marks that were taken for a part of some code
        self._last_in_code = 0  # where the last one is in the thoughts
        self._channel = ""

    def passes(self, text: str) -> bool:
        """Whether the next piece is plain text, which need not be fed then: the short way of nearly all pieces."""
        if self._step is not ThoughtSplitter._watch or self._held or "<" in text or "[" in text or "◁" in text:
            return False
        self._said.append(text)
        return True

    def feed(self, text: str) -> list[Delta]:
        """What the next piece of text brings."""
        deltas: list[Delta] = []
        text, self._held = self._held + text, ""
        while text:
            text = self._step(self, text, deltas)
        return deltas

    def reasoning_is_apart(self, reasoning: str) -> None:
        """The server sends reasoning in its own field, so that a closing mark alone is text, and thoughts that say the
        same between marks are not said again."""
        if not self._is_apart:
            self._is_apart, self._watches, self._apart = True, False, []
        if self._apart is not None:
            self._apart.append(reasoning)

    def close(self, *, complete: bool) -> list[Delta]:
        """What was held back. `complete`: the model ended by itself, and so not in the midst of its thoughts."""
        held, self._held = self._held, ""
        deltas: list[Delta] = []
        if self._step is ThoughtSplitter._watch and (closing := _CLOSING.match(held)):
            self._close_alone(closing, held, deltas)
        elif self._step is ThoughtSplitter._think:
            thoughts = "".join(self._thought) + held
            if complete and self._in_code and not self._is_apart:
                cut = self._last_in_code
                text = thoughts[cut + len(self._closing) :].lstrip()
                deltas.append(Corrected(text, thoughts[:cut].rstrip()))
            else:
                self._give_thought(held.rstrip(), deltas)
        elif self._step is ThoughtSplitter._read_body:
            self._give(held, deltas)
        elif self._step is ThoughtSplitter._read_header:
            is_mark = held.startswith(_HARMONY_STARTS) or _may_begin(held.lstrip(), _HARMONY_STARTS)
            if not is_mark or not self._has_thought:  # one that stands alone is what the reply is about
                self._give_text(held.lstrip() if self._has_thought else held, deltas)
        else:
            self._give_text(held.lstrip() if self._has_thought else held, deltas)
        return deltas

    # The steps. Each takes some text, gives what is sure, holds back what is not, and returns what is for the next.

    def _begin(self, text: str, deltas: list[Delta]) -> str:
        """At the beginning of the reply, or right behind thoughts."""
        bare = text.lstrip()
        if opening := _OPENING.match(bare):
            mark = opening[0].lower()
            if mark in _HARMONY_STARTS:
                self._step = ThoughtSplitter._read_header
                return bare
            self._closing, self._step = PAIRS[mark], ThoughtSplitter._think
            return bare[len(mark) :]
        if closing := _CLOSING.match(bare):  # of no thoughts at all, or of those before once more
            return self._behind(closing[0], bare[closing.end() :])
        if len(text) - len(bare) <= SPACE_CHARS and _may_begin(bare, (*_OPENINGS, *_CLOSINGS)):
            self._held = text
            return ""
        if self._has_thought or not self._watches:
            self._settle()
        elif bare.startswith(_BARE_START) or _BARE_START.startswith(bare):
            self._step = ThoughtSplitter._watch_bare
        else:
            self._step = ThoughtSplitter._watch
        return bare if self._has_thought else text

    def _think(self, text: str, deltas: list[Delta]) -> str:
        if not self._thought:
            text = text.lstrip()
        at = _find(text, self._closing)
        if at < 0:
            sure = len(text) - _cut_length(text, (self._closing,))
            sure = len(text[:sure].rstrip()) if len(text) - sure <= SPACE_CHARS else sure
            self._held = text[sure:]
            self._give_thought(text[:sure], deltas)
            return ""
        before, end = text[:at], at + len(self._closing)
        thoughts = "".join(self._thought)
        if self._in_code < MARKS_IN_CODE and is_in_code(thoughts + before):
            self._in_code += 1
            self._last_in_code = len(thoughts) + at
            self._give_thought(text[:end], deltas)
            return text[end:]
        self._give_thought(before.rstrip(), deltas)
        self._has_thought, self._in_code = True, 0
        self._step = ThoughtSplitter._begin
        return text[end:]

    def _watch(self, text: str, deltas: list[Delta]) -> str:
        """Plain text, in which a closing mark may still say that all before it was thoughts."""
        if not self._watches:
            self._settle()
            return text
        closing = _CLOSING.search(text)
        if closing is None:
            sure = len(text) - _cut_length(text, _CLOSINGS)
            self._held = text[sure:]
            self._give_text(text[:sure], deltas)
            return ""
        behind = text[closing.end() :]
        if not behind.strip(" \t") and len(behind) <= SPACE_CHARS:  # what follows tells
            self._held = text[closing.start() :]
            self._give_text(text[: closing.start()], deltas)
            return ""
        return self._close_alone(closing, text, deltas)

    def _close_alone(self, closing: re.Match[str], text: str, deltas: list[Delta]) -> str:
        """A closing mark in plain text, and what is known of what follows it."""
        before, behind = text[: closing.start()], text[closing.end() :]
        said = "".join(self._said) + before
        if _OPENING.search(said) or is_in_code(said) or is_spoken_of(said, behind):
            self._in_code += 1
            if self._in_code >= MARKS_IN_CODE:
                self._settle()
            self._give_text(text[: closing.end()], deltas)
            return behind
        thoughts = said.strip()
        deltas.append(Corrected("", thoughts) if self._said else ReasoningDelta(thoughts))
        self._said.clear()
        return self._behind(closing[0], behind)

    def _watch_bare(self, text: str, deltas: list[Delta]) -> str:
        """What may be harmony without its marks: nothing is held back, and it shows in the end."""
        before = "".join(self._said)
        bare = (before + text).lstrip()
        first = bare[len(_BARE_START) : len(_BARE_START) + 1]
        is_word = first and not (first.isupper() or _is_cjk(first))
        if is_word or not (bare.startswith(_BARE_START) or _BARE_START.startswith(bare)):
            self._step = ThoughtSplitter._watch
            return text
        self._said[:] = [before]
        at = bare.find(_BARE_FINAL, max(len(bare) - len(text) - len(_BARE_FINAL), 0))
        if at < 0:
            self._give_text(text, deltas)
            return ""
        thoughts = bare[len(_BARE_START) : at].strip()
        deltas.append(Corrected("", thoughts) if before else ReasoningDelta(thoughts))
        self._has_thought = True
        self._settle()
        return bare[at + len(_BARE_FINAL) :]

    def _read_header(self, text: str, deltas: list[Delta]) -> str:
        """Harmony, up to `<|message|>`."""
        found = [mark for mark in _HARMONY.finditer(text) if mark[1] == "message"]
        if not found:
            if len(text) > HEADER_CHARS:
                self._settle()
                return text
            self._held = text
            return ""
        header = text[: found[0].start()]
        if len(header) > HEADER_CHARS:
            self._settle()
            return text
        _, has_channel, name = header.rpartition("<|channel|>")
        self._channel = name.split("<")[0].split()[0] if has_channel and name.split("<")[0].split() else "final"
        if self._thought and self._channel != "final":
            self._give_thought("\n\n", deltas)
        self._has_thought = True
        self._step = ThoughtSplitter._read_body
        return text[found[0].end() :]

    def _read_body(self, text: str, deltas: list[Delta]) -> str:
        """Harmony, from `<|message|>` to the end of that message."""
        end = _HARMONY.search(text)
        if end is None:
            cut = _HARMONY_CUT.search(text)
            sure = cut.start() if cut else len(text)
            self._held = text[sure:]
            self._give(text[:sure], deltas)
            return ""
        before = text[: end.start()]
        in_final = self._channel == "final" and self._in_code < MARKS_IN_CODE
        if in_final and is_in_code("".join(self._said) + before):
            self._in_code += 1
            self._give(text[: end.end()], deltas)
            return text[end.end() :]
        self._give(before, deltas)
        self._step = ThoughtSplitter._read_header
        return text[end.start() :] if end[1] in ("start", "channel") else text[end.end() :]

    def _behind(self, closing: str, rest: str) -> str:
        self._has_thought = True
        if closing.lower() in _HARMONY_FINALS:
            self._channel, self._step = "final", ThoughtSplitter._read_body
        else:
            self._step = ThoughtSplitter._begin
        return rest

    def _pass(self, text: str, deltas: list[Delta]) -> str:
        deltas.append(TextDelta(text))
        return ""

    def _settle(self) -> None:
        self.settled, self._step = True, ThoughtSplitter._pass
        self._said.clear()
        self._thought.clear()

    def _give(self, text: str, deltas: list[Delta]) -> None:
        """A piece of a message in the channel."""
        if self._channel == "final":
            self._give_text(text, deltas)
        else:
            self._give_thought(text, deltas)

    def _give_text(self, text: str, deltas: list[Delta]) -> None:
        if text:
            self._said.append(text)
            deltas.append(TextDelta(text))

    def _give_thought(self, text: str, deltas: list[Delta]) -> None:
        if not text:
            return
        self._thought.append(text)
        if self._apart is not None:
            self._echo += text
            if "".join(self._apart).strip().startswith(self._echo.strip()):
                return
            text, self._apart = self._echo, None
        deltas.append(ReasoningDelta(text))


def _find(text: str, mark: str) -> int:
    """Where the first `mark` is, in upper or lower case; -1 where it is not."""
    if (at := text.find(mark)) >= 0:
        return at
    found = _CLOSING.search(text)
    while found and found[0].lower() != mark:
        found = _CLOSING.search(text, found.end())
    return found.start() if found else -1


def _may_begin(text: str, marks: tuple[str, ...]) -> bool:
    """Whether `text` is the beginning of one of the marks, or nothing yet."""
    start = text.lower()
    return any(mark.startswith(start) for mark in marks)


def _cut_length(text: str, marks: tuple[str, ...]) -> int:
    """How many characters at the end of `text` may be the beginning of a mark that was cut."""
    longest = max(map(len, marks)) - 1
    tail = text[-longest:]
    for start, letter in enumerate(tail):
        if letter in "<[◁" and _may_begin(tail[start:], marks):
            return len(tail) - start
    return 0
