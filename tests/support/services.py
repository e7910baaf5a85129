"""A whole chat service over a scripted model and a real store, without HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files

from msgspec import Struct

from lianhua import sse
from lianhua.chat.events import Cursor, parse_event_id
from lianhua.chat.personas import Personas, parse_personas
from lianhua.chat.turn import TurnRef
from lianhua.models.catalog import Catalog
from lianhua.models.port import ChatModel
from lianhua.models.scripted import Rule, Script, ScriptedModel
from lianhua.models.tokens import estimate_tokens
from lianhua.store.changes import Changes
from lianhua.store.client.client import Database, Durability
from lianhua.store.client.pubsub import PubSub
from lianhua.store.client.topology import Nodes
from lianhua.store.conversations import ConversationStore, Retention
from lianhua.store.journal.log import FROM_START, TurnJournal
from lianhua.store.journal.running import RunningTurns
from lianhua.store.messages import Branches
from lianhua.store.personas import OwnPersonas
from lianhua.store.preferences import PreferenceStore
from lianhua.store.search.query import ConversationSearch
from lianhua.store.usage import UsageLedger
from lianhua.streams.commit import STORE_PATIENCE_S, GroupCommit
from lianhua.streams.tail import Tails
from lianhua.turns.finalize import Finalizer
from lianhua.turns.leases import Upkeep
from lianhua.turns.personas import Roles
from lianhua.turns.planner import Ask, ContextLimits, TurnPlanner
from lianhua.turns.recovery import OnLoss, Recovery
from lianhua.turns.registry import TurnTasks
from lianhua.turns.request import Send
from lianhua.turns.runner import ReplyLimits, TurnRunner
from lianhua.turns.service import ChatService
from lianhua.turns.stops import UnheardStops
from tests.support.waiting import HANGS_S, until

PERSONAS = parse_personas((files("lianhua.chat") / "personas.toml").read_text("utf-8"), "personas.toml")


class Seen(Struct, frozen=True):
    """What one viewer received: names, data and ids of its events in order."""

    names: list[str]
    data: list[bytes]
    cursors: list[Cursor]


@asynccontextmanager
async def open_service(
    nodes: Nodes,
    *rules: Rule,
    model: ChatModel | None = None,
    others: Sequence[ChatModel] = (),
    worker: str = "one",
    reply: ReplyLimits = ReplyLimits(60, 100_000),  # noqa: B008  frozen
    context_messages: int = 20,
    context_tokens: int = 8_192,
    on_loss: OnLoss = "interrupt",
    strict: bool = False,
    titles: bool = False,
    patience_s: float = STORE_PATIENCE_S,
) -> AsyncIterator[ChatService]:
    """The service, started; closed at the end without waiting for running turns."""
    retention = Retention(86_400, 0)
    database = Database(nodes, Durability(nodes) if strict else None)
    journal = TurnJournal(database, retention, worker)
    commit = GroupCommit(journal, patience_s)
    pubsub = PubSub(database)
    catalog = Catalog([model or ScriptedModel(Script(rules, context_tokens=context_tokens)), *others])
    limits = ContextLimits(context_messages, None, 32_000)
    planner = TurnPlanner(catalog, limits, lambda _: estimate_tokens)
    conversations = ConversationStore(database, retention)
    branches = Branches(database)
    roles = Roles(Personas(PERSONAS), OwnPersonas(database))
    runner = TurnRunner(journal, commit, reply)
    running_turns = RunningTurns(database, 600)
    search = ConversationSearch(database, conversations)
    finalizer = Finalizer(conversations, journal, running_turns, UsageLedger(database), search.index, titles=titles)
    tasks = TurnTasks(commit, runner, finalizer)
    stops = UnheardStops(journal, pubsub)
    recovery = Recovery(
        journal, branches, roles, planner, runner, tasks, finalizer, running_turns, stops, on_loss, reply.seconds
    )
    tails = Tails(journal, commit, pubsub, recovery.recover)
    upkeep = Upkeep(journal, commit, runner, tasks, running_turns, recovery, finalizer, pubsub)
    service = ChatService(
        conversations,
        branches,
        roles,
        PreferenceStore(database),
        journal,
        commit,
        planner,
        tasks,
        running_turns,
        stops,
        recovery,
        tails,
        pubsub,
        Changes(database),
        upkeep,
        finalizer,
    )
    service.start_up()
    try:
        yield service
    finally:
        hurry = asyncio.Event()
        hurry.set()
        try:
            async with asyncio.timeout(HANGS_S):
                await service.close(0, hurry)
        except TimeoutError:
            for task in asyncio.all_tasks():
                task.print_stack()
            raise


def ask(message: str, key: str | None = None, role: str | None = None) -> Ask:
    return Ask(Send(message), "en", key or f"key of {message}", role)


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


async def ended(service: ChatService, ref: TurnRef) -> str:
    """Waits for the end of a turn without looking at its events; its status."""

    async def status() -> str | None:
        status = (await service.turn("ann", ref)).status
        return status if status != "running" else None

    return str(await until(status))


def tasks_named(name: str) -> int:
    """How many tasks of this loop have the name."""
    return sum(task.get_name() == name for task in asyncio.all_tasks())


def text_of(seen: Seen) -> str:
    return "".join(json.loads(d)["content"] for n, d in zip(seen.names, seen.data, strict=True) if n == "piece")


def end_of(seen: Seen) -> dict[str, object]:
    assert seen.names.count("end") == 1
    assert seen.names[-1] == "end"
    end: dict[str, object] = json.loads(seen.data[-1])
    return end


async def reply_of(service: ChatService, ref: TurnRef) -> tuple[str, str]:
    message = (await service.messages("ann", ref.conversation_id, None, 10)).messages[-1].message
    return message.content, message.status
