"""The one file that picks models and opens the store."""

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from lianhua.api.services import Services
from lianhua.chat.personas import Personas, parse_personas
from lianhua.chat.prices import Prices
from lianhua.chat.prompt import CountTokens
from lianhua.config.settings import DAY_S, Settings, is_loopback
from lianhua.conversations.service import ConversationService
from lianhua.conversations.transfer import Transfer, TransferLimits
from lianhua.errors import WrongSettings
from lianhua.models.catalog import Catalog
from lianhua.models.configured import (
    ListedModel,
    check_fallbacks,
    context_tokens_of,
    is_providers_own,
    parse_models_file,
    parse_models_list,
)
from lianhua.models.demo import DemoModel
from lianhua.models.discover import FoundModel, FoundServer, find_model
from lianhua.models.download.download import Download
from lianhua.models.download.package_index import PackageIndex
from lianhua.models.http.endpoint import parse_endpoint
from lianhua.models.http.proxies import Proxy, proxy_for, proxy_variables
from lianhua.models.local.host import ModelHost
from lianhua.models.local.model import CONTEXT_TOKENS, LocalModel, local_info
from lianhua.models.local.process import missing_runtime
from lianhua.models.openai.model import OpenAIModel
from lianhua.models.openai.timeouts import Limits
from lianhua.models.port import ChatModel, ModelInfo, Prefill, WindowSource
from lianhua.models.scripted import ScriptedModel, load_script
from lianhua.models.tokens import token_counter
from lianhua.store.changes import Changes
from lianhua.store.client.pubsub import PubSub
from lianhua.store.conversations import ConversationStore, Retention
from lianhua.store.journal.log import TurnJournal
from lianhua.store.journal.running import RunningTurns
from lianhua.store.messages import Branches
from lianhua.store.open import Store, open_store
from lianhua.store.personas import OwnPersonas
from lianhua.store.preferences import PreferenceStore
from lianhua.store.search.query import ConversationSearch
from lianhua.store.transfer import TransferStore
from lianhua.store.usage import UsageLedger
from lianhua.streams.commit import STORE_PATIENCE_S, GroupCommit
from lianhua.streams.tail import REREAD_S, Tails
from lianhua.streams.viewer import OWNER_CHECK_S
from lianhua.turns.finalize import Finalizer
from lianhua.turns.leases import Upkeep, UpkeepTimes
from lianhua.turns.lifecycle import Lifecycle
from lianhua.turns.personas import Roles
from lianhua.turns.planner import ContextLimits, TurnPlanner
from lianhua.turns.recovery import OnLoss, Recovery
from lianhua.turns.registry import TurnTasks
from lianhua.turns.runner import ReplyLimits, TurnRunner
from lianhua.turns.service import TurnService
from lianhua.turns.stops import UnheardStops
from lianhua.turns.titles import REST_S

logger = logging.getLogger(__name__)

OPENAI_URL: Final = "https://api.openai.com/v1"
# Ollama and LM Studio give a model this window unless told otherwise, and drop what is beyond without a word.
FOUND_CONTEXT_TOKENS: Final = 4_096
LISTED_MARGIN_S: Final = 3_600
NO_LIMIT_S: Final = 365 * DAY_S  # of a turn that was lost, where conversations never expire


class Policy(Struct, frozen=True):
    """What the services are to do. `listed_s` is how long a running turn stays listed, `patience_s` how long a store
    that is away is waited for, `title_rest_s` how long a conversation rests before it gets a better title, `reread_s`
    how late a viewer is where hints are lost, `owner_check_s` how often an open stream looks whose conversation it is.
    """

    retention: Retention
    reply: ReplyLimits
    context: ContextLimits
    transfer: TransferLimits
    upkeep: UpkeepTimes = UpkeepTimes()
    on_loss: OnLoss = "interrupt"
    titles: bool = False
    title_rest_s: float = REST_S
    listed_s: int = 600
    patience_s: float = STORE_PATIENCE_S
    reread_s: float = REREAD_S
    owner_check_s: float = OWNER_CHECK_S


def policy_of(settings: Settings) -> Policy:
    """What the operator has set."""
    retention = Retention(settings.retention_days * DAY_S, settings.retention_messages)
    # As long as the conversation: a turn whose worker was lost may first be met on its last day.
    kept_s = retention.seconds or NO_LIMIT_S
    return Policy(
        retention,
        ReplyLimits(settings.reply_timeout_s, settings.reply_chars, settings.retry_timeout_s),
        ContextLimits(settings.context_messages, settings.reply_tokens, settings.message_chars),
        TransferLimits(settings.import_bytes, settings.reply_chars),
        on_loss=settings.on_worker_loss,
        titles=settings.titles == "model",
        listed_s=int(max(settings.reply_timeout_s + LISTED_MARGIN_S, kept_s)),
    )


@asynccontextmanager
async def open_services(
    settings: Settings,
    *,
    pull: bool = False,
    erased: Callable[[], None] | None = None,
    found: FoundModel | None = None,
    model_host: ModelHost | None = None,
) -> AsyncIterator[Services]:
    """Everything, running, for as long as the block does; whoever serves closes `lifecycle` before it ends. Raises
    `WrongSettings` or `StoreUnavailable`.

    `erased` is called when a text was erased, where the embedded store is another process's to look after. `found` is
    what another process has found for all of them, where no model is set, and `model_host` where its local model runs.
    """
    personas = load_personas(settings)
    async with AsyncExitStack() as stack:
        catalog = Catalog(await pick_models(settings, found, model_host))
        stack.push_async_callback(catalog.close)
        logger.info("model: %s", describe(catalog.default))
        store = await stack.enter_async_context(open_store(settings))
        logger.info("store: %s", store.where)
        if erased:
            store = replace(store, erased=erased)
        download = _download(settings, catalog) if pull and _is_demo(catalog) else None
        if download:
            stack.push_async_callback(download.close)
        for model in catalog:  # some counters read a vocabulary of megabytes: not in the first turn
            await asyncio.to_thread(_counter_for, model.info.name)
        services = build_services(
            store,
            catalog,
            personas,
            policy_of(settings),
            folder=settings.data_dir,
            prices=Prices(settings.prices, settings.currency),
            download=download,
        )
        stack.push_async_callback(services.search.stop)
        services.transfer.start_up()
        stack.push_async_callback(services.transfer.stop)
        services.lifecycle.start()
        yield services


def build_services(
    store: Store,
    catalog: Catalog,
    personas: Personas,
    policy: Policy,
    *,
    folder: Path,
    prices: Prices,
    download: Download | None = None,
    worker: str | None = None,
    counter_for: Callable[[str], CountTokens] | None = None,
) -> Services:
    """The one graph of objects over an open store. Nothing in it has begun: `lifecycle.start()` does.

    Uploads are spooled in `folder`. `worker` is this process's name in the journal, `counter_for` how the tokens of a
    model are counted, by its name.
    """
    database, retention = store.database, policy.retention
    conversations, branches = ConversationStore(database, retention, store.erased), Branches(database)
    own_personas, preferences = OwnPersonas(database, store.erased), PreferenceStore(database)
    roles = Roles(personas, own_personas)
    usage, running_turns = UsageLedger(database), RunningTurns(database, policy.listed_s)
    search = ConversationSearch(database, conversations)
    journal = TurnJournal(database, retention, worker or f"{os.getpid()}-{secrets.token_hex(4)}")
    commit, pubsub = GroupCommit(journal, policy.patience_s), PubSub(database)

    runner = TurnRunner(journal, commit, policy.reply)
    planner = TurnPlanner(catalog, policy.context, counter_for or _counter_for)
    finalizer = Finalizer(
        conversations, journal, running_turns, usage, search.index,
        titles=policy.titles, title_rest_s=policy.title_rest_s,
    )  # fmt: skip
    tasks = TurnTasks(commit, runner, finalizer)
    stops = UnheardStops(journal, pubsub)
    recovery = Recovery(
        journal, branches, roles, planner, runner, tasks, finalizer, running_turns, stops, policy.on_loss,
        policy.reply.seconds,
    )  # fmt: skip
    tails = Tails(journal, commit, pubsub, recovery.recover, policy.reread_s)
    upkeep = Upkeep(journal, commit, runner, tasks, running_turns, recovery, finalizer, pubsub, policy.upkeep)

    turns = TurnService(
        conversations, branches, roles, journal, commit, planner, tasks, running_turns, stops, recovery, tails, pubsub,
        finalizer, policy.owner_check_s,
    )  # fmt: skip
    return Services(
        turns=turns,
        conversations=ConversationService(
            conversations, branches, roles, catalog, preferences, turns, finalizer, Changes(database), pubsub
        ),
        transfer=Transfer(
            TransferStore(database, retention, store.erased), own_personas, preferences, folder, policy.transfer
        ),
        search=search,
        usage=usage,
        personas=roles,
        preferences=preferences,
        catalog=catalog,
        prices=prices,
        lifecycle=Lifecycle(journal.worker, turns, commit, tasks, stops, recovery, tails, upkeep, finalizer, pubsub),
        store=store,
        download=download,
    )


def load_personas(settings: Settings) -> Personas:
    """The built-in personas and the operator's. Raises `WrongSettings`."""
    built_in = (files("lianhua.chat") / "personas.toml").read_text("utf-8")
    personas = parse_personas(built_in, "personas.toml")
    if settings.personas:
        personas |= parse_personas(
            _read(settings.personas, "LIANHUA_PERSONAS"), f"LIANHUA_PERSONAS: {settings.personas}"
        )
    return Personas(personas)


async def pick_models(
    settings: Settings, found: FoundModel | None = None, model_host: ModelHost | None = None
) -> list[ChatModel]:
    """The models, the default one first. Raises `WrongSettings`.

    What is set is used. With nothing set: a server that already runs on this machine, else the pulled model, else
    `demo`; of several workers' models `found` says what there is. A local model runs at `model_host`, in a process of
    our own where there is none.
    """
    if settings.script:
        return [ScriptedModel(load_script(settings.script))]
    limits = Limits(settings.connect_timeout_s, settings.first_byte_timeout_s, settings.delta_timeout_s)
    chosen: list[ChatModel] = [_openai(listed, settings, limits) for listed in _listed(settings)]
    if settings.local_model:
        chosen.append(_local(settings.local_model, settings, limits, model_host))
    check_fallbacks({model.info.id: model.info.fallback for model in chosen}, f"LIANHUA_MODELS: {settings.models}")
    if chosen:
        return chosen
    found = found or await find_model(settings.data_dir, discovery=settings.discovery)
    if found.server:
        return [_found(found.server, settings, limits), DemoModel()]
    if found.file:
        return [_local(Path(found.file), settings, limits, model_host), DemoModel()]
    return [DemoModel()]


def describe(model: ChatModel) -> str:
    """One line for the log and for `doctor`."""
    info = model.info
    proxy = model.proxy if isinstance(model, OpenAIModel) else None
    way = f", by way of the proxy {proxy} ({proxy.setting})" if proxy else ""
    return f"{info.name} ({info.kind}{', ' + info.note if info.note else ''}){way}"


def describe_window(info: ModelInfo) -> str:
    """How large a model's window is, and how that is known."""
    how = {"set": "as set", "told": "as its server says", "learnt": "learnt from a refusal"}
    how |= {"known": "as its provider says", "guessed": "a guess"}
    return f"a window of {info.context_tokens:,} tokens ({how[info.window]})"


def _listed(settings: Settings) -> list[ListedModel]:
    if settings.models is None:
        named = settings.openai_api_key or settings.openai_base_url
        return [ListedModel(settings.openai_model)] if named else []
    if settings.models.endswith(".toml"):
        path = Path(settings.models).expanduser()
        return parse_models_file(_read(path, "LIANHUA_MODELS"), f"LIANHUA_MODELS: {path}")
    return parse_models_list(settings.models)


def _openai(listed: ListedModel, settings: Settings, limits: Limits) -> OpenAIModel:
    upstream = listed.model or listed.id
    key = settings.environ.get(listed.api_key_env) if listed.api_key_env else settings.openai_api_key
    if listed.api_key_env and not key:
        raise WrongSettings(f"LIANHUA_MODELS: {listed.id} wants the environment variable {listed.api_key_env}")
    base_url = listed.base_url or settings.openai_base_url or OPENAI_URL
    remote = not is_loopback(urlsplit(base_url).hostname or "")
    set_tokens = listed.context_tokens or settings.context_tokens
    info = ModelInfo(
        id=listed.id,
        name=listed.name or listed.id,
        kind="openai",
        context_tokens=set_tokens or context_tokens_of(upstream),
        images=listed.images,
        prefill=listed.prefill,
        serial=not remote,
        window="set" if set_tokens else "known" if is_providers_own(upstream) else "guessed",
        fallback=listed.fallback,
    )
    # llama.cpp's server ends a connection after a streamed reply without saying so, and the next turn would meet a dead
    # one. On this machine a new connection costs 0.1 ms, so there none is used twice.
    proxy = _proxy(base_url, settings)
    return OpenAIModel(info, base_url, key, limits, upstream_model=upstream, keep_connections=remote, proxy=proxy)


def _proxy(base_url: str, settings: Settings) -> Proxy | None:
    """What is on the way to `base_url` by the environment."""
    if settings.model_proxy == "off":
        return None
    try:
        endpoint = parse_endpoint(base_url)
    except ValueError:  # the model says so when it is asked
        return None
    try:
        return proxy_for(endpoint, settings.environ)
    except ValueError as exc:
        raise WrongSettings(f"{exc}; or set LIANHUA_MODEL_PROXY=off") from None


def _found(found: FoundServer, settings: Settings, limits: Limits) -> OpenAIModel:
    tokens = settings.context_tokens or found.context_tokens or FOUND_CONTEXT_TOKENS
    window: WindowSource = "set" if settings.context_tokens else "told" if found.context_tokens else "guessed"
    # Ollama and llama.cpp go on with a last message of the model's own; of LM Studio nothing of the kind is documented.
    prefill: Prefill | None = None if found.name == "LM Studio" else "last"
    info = ModelInfo(
        found.model, found.model, "openai", tokens, note=found.name, prefill=prefill, serial=True, window=window
    )
    return OpenAIModel(info, found.base_url, None, limits, keep_connections=False)


def _local(file: Path, settings: Settings, limits: Limits, host: ModelHost | None = None) -> LocalModel:
    model = LocalModel(file, limits, info=local_info(file, settings.context_tokens or CONTEXT_TOKENS), host=host)
    model.start()
    return model


def _is_demo(catalog: Catalog) -> bool:
    return catalog.default.info.kind == "demo"


def _download(settings: Settings, catalog: Catalog) -> Download | None:
    if missing := missing_runtime():
        logger.warning("the small model is not fetched: %s", missing)
        return None
    limits = Limits(settings.connect_timeout_s, settings.first_byte_timeout_s, settings.delta_timeout_s)

    async def arrived(file: Path) -> None:
        model = _local(file, settings, limits)
        catalog.add(model)
        logger.info("model: %s answers from now on", describe(model))

    index = PackageIndex(environ=proxy_variables(settings.environ))
    download = Download(settings.data_dir, arrived, index=index)
    download.start()
    return download


@cache
def _counter_for(model: str) -> CountTokens:
    count, how = token_counter(model)
    logger.info("tokens of %s are counted by %s", model, how)
    return count


def _read(path: Path, setting: str) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeError) as exc:
        raise WrongSettings(f"{setting}: cannot read {path} ({type(exc).__name__})") from exc
