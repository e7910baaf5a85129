"""Better titles: once a conversation rests after its first reply, its model is asked for one. Nobody waits for it."""

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Final

from msgspec import Struct

from lianhua.chat.messages import ContextAccount, Language, Usage
from lianhua.chat.prompt import CountTokens, Prompt, PromptMessage
from lianhua.errors import LianhuaError
from lianhua.models.port import ChatModel, Corrected, Delta, Finish, GenerationOptions, ModelKind, TextDelta
from lianhua.models.thoughts import ThoughtSplitter

logger = logging.getLogger(__name__)

REST_S: Final = 3.0  # a person who types on at once is not to meet the model at work on a title
TITLE_S: Final = 60.0
TITLE_CHARS: Final = 60
# Of the question and of the reply. The topic is at the beginning of both; more would cost more than a title is worth.
EXCERPT_CHARS: Final = 800
# A model that reasons first needs some room for it; what is not a title after that never becomes one.
TITLE_TOKENS: Final = 400
OPTIONS: Final = GenerationOptions(temperature=0.2, max_tokens=TITLE_TOKENS)
# The oldest conversation keeps its first title where there are more: a title costs as much as a turn, and who begins a
# thousand conversations in ten seconds does not read their titles.
WAITING: Final = 100
AT_ONCE: Final = 4  # titles that are being made: replies come first
KINDS: Final[frozenset[ModelKind]] = frozenset(("openai", "local"))

_INSTRUCTION: Final[dict[Language, str]] = {
    "zh": "你负责给对话起标题。只回答一个标题：用对话本身的语言，不超过 16 个汉字或 7 个单词，说明话题，"
    "不要引号、标点、解释或换行。",
    "en": "You name conversations. Answer with a title and nothing else: in the language of the conversation, at most "
    "7 words or 16 Chinese characters, saying what it is about; no quotes, no full stop, no explanation.",
}
_TALK: Final[dict[Language, str]] = {
    "zh": "用户：{question}\n\n助手：{reply}\n\n标题：",
    "en": "User: {question}\n\nAssistant: {reply}\n\nTitle:",
}
_LABEL = re.compile(r"^(?:title|标题|题目)\s*[:：]\s*", re.IGNORECASE)
# gpt-oss, where its server leaves out the special tokens; perhaps cut off.
_BARE_HARMONY = re.compile(r"\Aanalysis(?=[A-Z]).*?(?:assistantfinal|\Z)", re.DOTALL)
# More characters than this on one line are no title but thoughts, or an answer to the question.
TITLE_LINE_CHARS: Final = 200
# Control characters but tab and line ends, and lone surrogates: what no title may hold.
_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
_AROUND: Final = " \t\"'`*#_“”‘’「」『』《》【】[]()（）"


class Untitled(Struct, frozen=True):
    """A conversation with its first question and reply; `made_from` is the title that the question gave it."""

    conversation_id: str
    user: str
    made_from: str
    question: str
    reply: str
    language: Language
    model: ChatModel
    count: CountTokens


# Takes a title ("" where the model gave none) and what it has cost.
TakeTitle = Callable[[Untitled, str, Usage], Awaitable[None]]
# Whether a conversation is still there and has its first title.
Stands = Callable[[Untitled], Awaitable[bool]]


class Titler:
    """Owns one task a title. A turn always comes first."""

    def __init__(self, stands: Stands, take: TakeTitle, rest_s: float = REST_S) -> None:
        self._stands = stands
        self._rest_s = rest_s
        self._take = take
        self._waiting: dict[str, Untitled] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._untried: set[str] = set()  # of those that wait: without a task
        self._serial: set[str] = set()  # of those with a task: their model makes one reply at a time
        self._places = asyncio.Semaphore(AT_ONCE)

    def consider(self, untitled: Untitled) -> None:
        """Remembers a conversation whose first reply has just ended, if its model makes titles."""
        if untitled.model.info.kind not in KINDS:
            return
        while len(self._waiting) >= WAITING:
            self._drop(next(iter(self._waiting)))
        self._waiting[untitled.conversation_id] = untitled
        self._untried.add(untitled.conversation_id)

    def turn_begins(self, conversation_id: str) -> None:
        """The conversation does not rest any more; nor does a model that makes one reply at a time."""
        for name in (conversation_id, *self._serial):
            if task := self._tasks.pop(name, None):
                task.cancel()
                self._untried.add(name)
        self._serial.clear()

    def turn_ended(self) -> None:
        """What waits may be tried after the rest."""
        for name in self._untried:
            untitled = self._waiting[name]
            task = asyncio.create_task(self._title(untitled), name=f"title {name}")
            self._tasks[name] = task
            if untitled.model.info.serial:
                self._serial.add(name)
            task.add_done_callback(lambda task, name=name: self._titled(name, task))  # type: ignore[misc]
        self._untried.clear()

    def forget(self, conversation_id: str) -> None:
        """The conversation was erased: nothing of it goes to a model any more."""
        self._drop(conversation_id)

    async def stop(self) -> None:
        """Gives up all that waits."""
        tasks = list(self._tasks.values())
        self._waiting.clear()
        self._untried.clear()
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _drop(self, name: str) -> None:
        self._waiting.pop(name, None)
        self._untried.discard(name)
        self._serial.discard(name)
        if task := self._tasks.pop(name, None):
            task.cancel()

    def _titled(self, name: str, task: "asyncio.Task[None]") -> None:
        if self._tasks.get(name) is not task:
            return  # cancelled for a turn, and perhaps begun again
        self._drop(name)
        if not task.cancelled() and (error := task.exception()):
            logger.error("conversation %s keeps its first title", name, exc_info=error)

    async def _title(self, untitled: Untitled) -> None:
        await asyncio.sleep(self._rest_s)
        async with self._places:
            await self._title_now(untitled)

    async def _title_now(self, untitled: Untitled) -> None:
        try:
            if not await self._stands(untitled):
                return
            async with asyncio.timeout(TITLE_S):
                answer, usage = await _ask(untitled)
        except (LianhuaError, TimeoutError) as exc:
            logger.info("conversation %s keeps its first title: %s", untitled.conversation_id, type(exc).__name__)
            return
        with contextlib.suppress(LianhuaError):  # erased, or the store is away: then not
            await self._take(untitled, clean_title(answer), usage)


def title_prompt(question: str, reply: str, language: Language) -> Prompt:
    """What a model is asked for a title with."""
    talk = _TALK[language].format(question=question[:EXCERPT_CHARS], reply=reply[:EXCERPT_CHARS])
    messages = (PromptMessage("system", _INSTRUCTION[language]), PromptMessage("user", talk))
    return Prompt(messages, ContextAccount(0, 0, 0, ()), language)


def clean_title(answer: str) -> str:
    """The first line of a model's answer that says something, without quotes, marks and labels; "" for none.

    What it thought before it answered counts for nothing, and if it thinks aloud, without marks, there is no title.
    """
    for line in _UNWANTED.sub("", _without_thoughts(answer)).splitlines():
        bare = _LABEL.sub("", line.strip(_AROUND)).strip(_AROUND).rstrip("。.")
        if title := " ".join(bare.split()):
            if len(title) > TITLE_LINE_CHARS:
                return ""
            return title if len(title) <= TITLE_CHARS else title[: TITLE_CHARS - 1].rstrip() + "…"
    return ""


def _without_thoughts(answer: str) -> str:
    thoughts = ThoughtSplitter()
    return _text([*thoughts.feed(_BARE_HARMONY.sub("", answer)), *thoughts.close(complete=False)])


def _text(deltas: Sequence[Delta]) -> str:
    """The text in deltas, as the last correction has it."""
    text = ""
    for delta in deltas:
        if isinstance(delta, TextDelta):
            text += delta.text
        elif isinstance(delta, Corrected):
            text = delta.text
    return text


async def _ask(untitled: Untitled) -> tuple[str, Usage]:
    """What the model answers, and what that has cost. A cut answer gives no title: it may still be thoughts."""
    prompt = title_prompt(untitled.question, untitled.reply, untitled.language)
    deltas: list[Delta] = []
    async with aclosing(untitled.model.stream(prompt, OPTIONS)) as batches:
        async for batch in batches:
            deltas += batch
    answer, count = _text(deltas), untitled.count
    finish = next((delta for delta in deltas if isinstance(delta, Finish)), Finish("length"))
    prompt_tokens = sum(count(message.content) for message in prompt.messages)
    usage = finish.usage or Usage(prompt_tokens, count(answer), estimated=True)
    return "" if finish.reason in ("length", "content_filter") else answer, usage
