"""What the store keeps of conversations that are full: the memory of each, and how many 1 GB holds."""

import asyncio
import secrets
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.relayed import show
from benchmarks.vocabulary import Vocabulary
from lianhua.chat.messages import Message, Usage
from lianhua.chat.prompt import select
from lianhua.chat.turn import Turn, TurnRecord, TurnRef
from lianhua.config.settings import load_settings
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import ConversationKeys
from lianhua.store.conversations import ConversationStore, Retention
from lianhua.store.journal.log import TurnJournal
from lianhua.store.journal.values import Append, NewTurn
from lianhua.store.open import open_store
from lianhua.store.records import stored_record
from lianhua.store.search.query import ConversationSearch

CONVERSATIONS: Final = 10_000
TURNS: Final = 25  # 50 messages: what retention keeps
WINDOW: Final = 20
QUESTION_MESSAGES, REPLY_MESSAGES = 1, 4  # of 200 characters each
AT_ONCE: Final = 64
WEEK_S: Final = 7 * 86_400


def kept_rows() -> list[dict[str, Any]]:
    """The memory of so many full conversations."""
    row = asyncio.run(_row())
    show(row)
    return [row]


async def _row() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings({"LIANHUA_DATA_DIR": folder, "LIANHUA_STORE_MB": "8000"}, Path(folder))
        async with open_store(settings) as store:
            filler = _Filler(store.database)
            before = await filler.used_bytes()
            began = time.monotonic()
            await filler.fill(CONVERSATIONS)
            grown = await filler.used_bytes() - before
            return {
                "conversations": CONVERSATIONS,
                "record bytes a turn": filler.record_bytes // filler.records,
                "bytes a conversation": grown // CONVERSATIONS,
                "store MB": round(grown / 1e6),
                "conversations in 1 GB": 10**9 * CONVERSATIONS // grown,
                "seconds": round(time.monotonic() - began),
            }


class _Filler:
    """Talks as the server does: every turn accepted and finished by the journal's own scripts, then indexed."""

    def __init__(self, database: StoreClient) -> None:
        retention = Retention(WEEK_S, 2 * TURNS)
        self._database = database
        self._journal = TurnJournal(database, retention, "benchmark")
        self._conversations = ConversationStore(database, retention)
        self._search = ConversationSearch(database, self._conversations)
        vocabulary = Vocabulary()
        self._texts = [vocabulary.message() for _ in range(2_000)]
        self.records = self.record_bytes = 0

    async def used_bytes(self) -> int:
        """What the store's process has allocated."""
        (info,) = await self._database.ask(("INFO", "memory"))
        return int(info.decode().partition("used_memory:")[2].split()[0])

    async def fill(self, count: int) -> None:
        for start in range(0, count, AT_ONCE):
            await asyncio.gather(*(self._talk(number) for number in range(start, min(start + AT_ONCE, count))))

    async def _talk(self, number: int) -> None:
        name = f"{number:08x}-0000-4000-8000-000000000000"
        await self._conversations.create(name, f"owner{number % 100}", "assistant", None, "")
        said: list[Message] = []
        for turn in range(TURNS):
            said += await self._turn(name, number, turn, said)
        await self._search.index(name, f"owner{number % 100}", {message.id: message.content for message in said})

    async def _turn(self, name: str, number: int, turn: int, said: list[Message]) -> tuple[Message, Message]:
        ref = TurnRef(name, secrets.token_hex(10))
        parent = said[-1].id if said else None
        question = Message(
            secrets.token_hex(10), "user", self._text(number + turn, QUESTION_MESSAGES), parent_id=parent
        )
        history = said[-WINDOW:]
        prompt = select(
            "You are a kind assistant.", history, question, max_messages=WINDOW, budget_tokens=20_000, count=len,
            older=len(said) - len(history),
        )  # fmt: skip
        record = TurnRecord(question.id, secrets.token_hex(10), "gpt-4o", "assistant", prompt.report, key=ref.turn_id)
        live = Turn(ref)
        started = live.start(question.id, record.reply_message_id, record.model)
        await self._journal.accept(NewTurn(ref, f"owner{number % 100}", "0" * 64, question, record, started, "title"))
        text = self._text(number * 7 + turn, REPLY_MESSAGES)
        usage = Usage(prompt.context.used_tokens, len(text))
        reply = Message(record.reply_message_id, "assistant", text, usage=usage, model="gpt-4o", persona="assistant")
        await self._journal.append([Append.of(ref, live.text_piece(text))])
        end = live.end("done", "stop", usage=usage)
        self.records += 1
        self.record_bytes += len(stored_record(msgspec.structs.replace(record, end=end.event, end_cursor=end.cursor)))
        assert await self._journal.finish(ref, end, reply, record) == "ok"
        await self._database.ask(("UNLINK", *ConversationKeys(name).working(ref.turn_id)))  # as in ten minutes' time
        return question, msgspec.structs.replace(reply, parent_id=question.id)

    def _text(self, place: int, messages: int) -> str:
        return "\n".join(self._texts[(place * 31 + number) % len(self._texts)] for number in range(messages))
