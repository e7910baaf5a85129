"""A whole chat service over a scripted model and a real store, without HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

from msgspec import Struct
from redis.asyncio import Redis

from lianhua import sse
from lianhua.events import Cursor, parse_event_id
from lianhua.models.catalog import Catalog
from lianhua.models.port import ChatModel
from lianhua.models.scripted import Rule, Script, ScriptedModel
from lianhua.models.tokens import estimate_tokens
from lianhua.personas import Personas, parse_personas
from lianhua.planner import Ask, ContextLimits, TurnPlanner
from lianhua.relay import Relay
from lianhua.runner import ReplyLimits, TurnRunner
from lianhua.service import ChatService
from lianhua.store.conversations import ConversationStore, Retention
from lianhua.store.journal import FROM_START, TurnJournal
from lianhua.store.running import RunningTurns
from lianhua.tasks import TurnTasks
from lianhua.turn import TurnRef
from lianhua.upkeep import Upkeep

PERSONAS = parse_personas((files("lianhua") / "personas.toml").read_text("utf-8"), "personas.toml")


class Seen(Struct, frozen=True):
    """What one viewer received: names, data and ids of its events in order."""

    names: list[str]
    data: list[bytes]
    cursors: list[Cursor]


@asynccontextmanager
async def open_service(
    client: Redis,
    *rules: Rule,
    model: ChatModel | None = None,
    worker: str = "one",
    reply: ReplyLimits = ReplyLimits(60, 100_000),  # noqa: B008  frozen
    context_messages: int = 20,
    context_tokens: int = 8_192,
) -> AsyncIterator[ChatService]:
    """The service, started; closed at the end without waiting for running turns."""
    retention = Retention(86_400, 0)
    journal = TurnJournal(client, retention, worker, 600)
    relay = Relay(journal)
    catalog = Catalog([model or ScriptedModel(Script(rules, context_tokens=context_tokens))])
    limits = ContextLimits(context_messages, None, 32_000)
    planner = TurnPlanner(catalog, Personas(PERSONAS), limits, lambda _: estimate_tokens)
    conversations = ConversationStore(client, retention)
    runner = TurnRunner(journal, relay, reply)
    running_turns = RunningTurns(client)
    tasks = TurnTasks(relay, runner, conversations, running_turns)
    upkeep = Upkeep(journal, runner, tasks, running_turns)
    service = ChatService(conversations, journal, relay, runner, planner, tasks, upkeep)
    service.start_up()
    try:
        yield service
    finally:
        hurry = asyncio.Event()
        hurry.set()
        await service.close(0, hurry)


def ask(message: str, key: str | None = None, role: str | None = None) -> Ask:
    return Ask(message, "en", key or f"key of {message}", role)


async def start(service: ChatService, message: str, *, conversation: str | None = None) -> TurnRef:
    conversation = conversation or (await service.create("ann", None, None)).id
    accepted = await service.start("ann", conversation, ask(message))
    return TurnRef(conversation, accepted.turn_id)


async def follow(service: ChatService, ref: TurnRef, after: Cursor = FROM_START, limit: int | None = None) -> Seen:
    """Everything a viewer gets until the end, or its first `limit` events."""
    viewer = await service.view("ann", ref, after)
    seen = Seen([], [], [])
    if viewer is None:
        return seen
    decoder = sse.Decoder()
    async for frames in viewer.frames():
        for event in decoder.feed(frames):
            parsed = parse_event_id(event.id or "")
            assert parsed is not None
            seen.names.append(event.name or "piece")
            seen.data.append(event.data)
            seen.cursors.append(parsed[1])
            if len(seen.names) == limit:
                return seen
    return seen
