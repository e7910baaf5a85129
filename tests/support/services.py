"""A whole chat service over a scripted model and a real store, without HTTP."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from lianhua import sse
from lianhua.api.services import Services
from lianhua.chat.events import Cursor, parse_event_id
from lianhua.chat.personas import Personas, parse_personas
from lianhua.chat.prices import Prices
from lianhua.chat.turn import TurnRef
from lianhua.conversations.importing import ImportLimits
from lianhua.models.catalog import Catalog
from lianhua.models.port import ChatModel
from lianhua.models.scripted import Rule, Script, ScriptedModel
from lianhua.models.tokens import estimate_tokens
from lianhua.store.client.client import Durability, StoreClient
from lianhua.store.client.topology import Nodes
from lianhua.store.conversations import Retention
from lianhua.store.open import Store
from lianhua.turns.planner import Ask
from lianhua.turns.prompting import ContextLimits
from lianhua.turns.request import Send
from lianhua.turns.runner import ReplyLimits
from lianhua.wiring import Policy, build_services
from tests.support.waiting import HANGS_S, until

POLICY = Policy(
    Retention(86_400, 0), ReplyLimits(60, 100_000), ContextLimits(20, None, 32_000), ImportLimits(10**6, 100_000)
)
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
    context_messages: int = 20,
    context_tokens: int = 8_192,
    strict: bool = False,
    **policy: Any,
) -> AsyncIterator[Services]:
    """All services as the server has them, running; closed at the end without waiting for turns that run. `policy` are
    fields of `wiring.Policy`.
    """
    store = Store(StoreClient(nodes, Durability(nodes) if strict else None), "of the test")
    catalog = Catalog([model or ScriptedModel(Script(rules, context_tokens=context_tokens)), *others])
    services = build_services(
        store,
        catalog,
        Personas(PERSONAS),
        msgspec.structs.replace(POLICY, context=ContextLimits(context_messages, None, 32_000), **policy),
        folder=Path(tempfile.gettempdir()),
        prices=Prices({}, "EUR"),
        worker=worker,
        counter_for=lambda _: estimate_tokens,
    )
    services.lifecycle.start()
    try:
        yield services
    finally:
        hurry = asyncio.Event()
        hurry.set()
        try:
            async with asyncio.timeout(HANGS_S):
                await services.lifecycle.close(0, hurry)
        except TimeoutError:
            for task in asyncio.all_tasks():
                task.print_stack()
            raise


def ask(message: str, key: str | None = None, role: str | None = None) -> Ask:
    return Ask(Send(message), "en", key or f"key of {message}", role)


async def start(service: Services, message: str, *, conversation: str | None = None) -> TurnRef:
    conversation = conversation or (await service.conversations.create("ann", None, None)).id
    accepted = await service.turns.start("ann", conversation, ask(message))
    return TurnRef(conversation, accepted.turn_id)


async def follow(service: Services, ref: TurnRef, after: Cursor = Cursor.START, limit: int | None = None) -> Seen:
    """Everything a viewer gets until the end, or its first `limit` events."""
    viewer = await service.turns.view("ann", ref, after)
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


async def ended(service: Services, ref: TurnRef) -> str:
    """Waits for the end of a turn without looking at its events; its status."""

    async def status() -> str | None:
        status = (await service.turns.turn("ann", ref)).status
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


async def reply_of(service: Services, ref: TurnRef) -> tuple[str, str]:
    message = (await service.conversations.messages("ann", ref.conversation_id, None, 10)).messages[-1].message
    return message.content, message.status
