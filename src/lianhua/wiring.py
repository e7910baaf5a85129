"""The composition root: every object of the server is made here, once, for the server and for its tests."""

import asyncio
import logging
import math
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from lianhua.api.services import Services
from lianhua.auth.accounts import Accounts, LoginLimit, no_limit
from lianhua.auth.passwords import Passwords
from lianhua.auth.proxy_header import ProxyHeader, ProxyUsers
from lianhua.auth.sessions import Sessions
from lianhua.auth.tokens import Tokens
from lianhua.auth.verifier import Verifier
from lianhua.chat.personas import Personas, parse_personas
from lianhua.chat.prices import Prices
from lianhua.chat.prompt import CountTokens
from lianhua.config.limits import Quota
from lianhua.config.logs import REQUEST_ID
from lianhua.config.oidc import read_providers
from lianhua.config.settings import DAY_S, Settings
from lianhua.conversations.exporting import Exporter
from lianhua.conversations.importing import Importer, ImportLimits
from lianhua.conversations.service import ConversationService
from lianhua.errors import RateLimited, WrongSettings
from lianhua.limits.admission import Admission, Bounds
from lianhua.limits.budget import Budgets, calendar, read_budgets
from lianhua.limits.rate import Rate
from lianhua.models.catalog import Catalog
from lianhua.models.choose import describe, download_for, pick_models, read_file
from lianhua.models.discover import FoundModel
from lianhua.models.download.download import Download
from lianhua.models.local.host import ModelHost
from lianhua.models.tokens import token_counter
from lianhua.store.audit import AuditLog
from lianhua.store.buckets import Buckets
from lianhua.store.changes import Changes
from lianhua.store.client.client import StoreClient
from lianhua.store.client.pubsub import PubSub
from lianhua.store.conversations import ConversationStore, Retention
from lianhua.store.credentials import CredentialStore
from lianhua.store.erasure import PersonErasure
from lianhua.store.groups import GroupStore, InviteStore
from lianhua.store.journal.log import TurnJournal
from lianhua.store.journal.running import RunningTurns
from lianhua.store.messages import MessageStore
from lianhua.store.open import Store, open_store
from lianhua.store.pending_logins import PendingLogins
from lianhua.store.personas import OwnPersonas
from lianhua.store.preferences import PreferenceStore
from lianhua.store.search.query import ConversationSearch
from lianhua.store.sessions import SessionStore
from lianhua.store.spending import Spending
from lianhua.store.tokens import TokenStore
from lianhua.store.transfer.incoming import IncomingStore
from lianhua.store.transfer.outgoing import OutgoingStore
from lianhua.store.usage import UsageLedger
from lianhua.store.users import UserStore
from lianhua.streams.commit import STORE_PATIENCE_S, GroupCommit
from lianhua.streams.tail import REREAD_S, Tails
from lianhua.streams.viewer import OWNER_CHECK_S
from lianhua.turns.finalize import Finalizer
from lianhua.turns.indexing import IndexQueue
from lianhua.turns.leases import LeaseRenewal
from lianhua.turns.lifecycle import Lifecycle
from lianhua.turns.outcome import FinishedTurn
from lianhua.turns.periodic import Intervals
from lianhua.turns.personas import AvailablePersonas
from lianhua.turns.planner import TurnPlanner
from lianhua.turns.prompting import ContextLimits
from lianhua.turns.recovery import OnLoss, Recovery
from lianhua.turns.registry import TurnRegistry
from lianhua.turns.reservations import Reservations
from lianhua.turns.runner import ReplyLimits, TurnRunner
from lianhua.turns.service import TurnService
from lianhua.turns.stops import PendingStops
from lianhua.turns.sweeper import Sweeper
from lianhua.turns.titles import REST_S
from lianhua.turns.writer import TurnWriter

if TYPE_CHECKING:  # it brings an HTTP client
    from lianhua.auth.oidc import Oidc
    from lianhua.turns.traces import TurnTraces

logger = logging.getLogger(__name__)

UTC: Final = ZoneInfo("UTC")
LISTED_MARGIN_S: Final = 3_600
NO_LIMIT_S: Final = 365 * DAY_S  # of a turn that was lost, where conversations never expire


class Limits(Struct, frozen=True):
    """What one person may ask for; nothing limits anything where nothing is set. `zone` is where days begin."""

    quotas: Mapping[str, Quota] = {}
    budgets: Budgets = Budgets()
    bounds: Bounds = Bounds()
    zone: ZoneInfo = UTC

    @property
    def reserve(self) -> bool:
        """Whether a turn has to be admitted."""
        return self.budgets.limit_anybody or self.bounds != Bounds()


class Policy(Struct, frozen=True):
    """What the services are to do. `listed_s` is how long a running turn stays listed, `patience_s` how long a store
    that is away is waited for, `title_rest_s` how long a conversation rests before it gets a better title, `reread_s`
    how late a viewer is where hints are lost, `owner_check_s` how often an open stream looks whose conversation it is.
    """

    retention: Retention
    reply: ReplyLimits
    context: ContextLimits
    imports: ImportLimits
    intervals: Intervals = Intervals()
    on_loss: OnLoss = "interrupt"
    titles: bool = False
    title_rest_s: float = REST_S
    listed_s: int = 600
    patience_s: float = STORE_PATIENCE_S
    reread_s: float = REREAD_S
    owner_check_s: float = OWNER_CHECK_S
    limits: Limits = Limits()


def policy_of(settings: Settings) -> Policy:
    """What the operator has set. Raises `WrongSettings`."""
    limits = Limits(
        settings.rate_limit,
        read_budgets(settings.budget, settings.budget_file),
        Bounds(settings.max_running_turns_per_user, settings.max_running_turns),
        settings.time_zone,
    )
    retention = Retention(settings.retention_days * DAY_S, settings.retention_messages)
    # As long as the conversation: a turn whose worker was lost may first be met on its last day.
    kept_s = retention.seconds or NO_LIMIT_S
    return Policy(
        retention,
        ReplyLimits(settings.reply_timeout_s, settings.reply_chars, settings.retry_timeout_s),
        ContextLimits(settings.context_messages, settings.reply_tokens, settings.message_chars),
        ImportLimits(settings.import_bytes, settings.reply_chars),
        on_loss=settings.on_worker_loss,
        titles=settings.titles == "model",
        listed_s=int(max(settings.reply_timeout_s + LISTED_MARGIN_S, kept_s)),
        limits=limits,
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
        traces = _traces_to(settings.otlp_endpoint) if settings.otlp_endpoint else None
        if traces:
            stack.push_async_callback(traces.close)
        download = download_for(settings, catalog) if pull and catalog.default.info.kind == "demo" else None
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
            ended=traces.note if traces else None,
            with_accounts=settings.auth == "accounts",
        )
        if accounts := services.accounts:
            services = replace(services, oidc=oidc_of(settings, store), proxy_users=proxy_users_of(settings, accounts))
            stack.callback(accounts.close)
            accounts.revocation.start()
            stack.push_async_callback(accounts.revocation.stop)
        stack.push_async_callback(services.search.stop)
        services.importer.start()
        stack.push_async_callback(services.importer.stop)
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
    ended: Callable[[FinishedTurn], None] | None = None,
    with_accounts: bool = False,
) -> Services:
    """The one graph of objects over an open store. Nothing in it has begun: `lifecycle.start()` does.

    Uploads are spooled in `folder`. `worker` is this process's name in the journal, `counter_for` how the tokens of a
    model are counted, by its name. `ended` hears of each turn that was ended here.
    """
    database, retention = store.database, policy.retention
    conversations, branches = ConversationStore(database, retention, store.erased), MessageStore(database)
    own_personas, preferences = OwnPersonas(database, store.erased), PreferenceStore(database)
    roles = AvailablePersonas(personas, own_personas)
    incoming, outgoing = IncomingStore(database, retention, store.erased), OutgoingStore(database)
    usage, running_turns = UsageLedger(database), RunningTurns(database, policy.listed_s)
    search = ConversationSearch(database, conversations)
    journal = TurnJournal(database, retention, worker or f"{os.getpid()}-{secrets.token_hex(4)}")
    commit, pubsub = GroupCommit(journal, policy.patience_s), PubSub(database)

    admission = _admission(database, running_turns, policy.limits) if policy.limits.reserve else None
    reservations = Reservations(admission, prices) if admission else None
    rate = Rate(policy.limits.quotas, Buckets(database)) if policy.limits.quotas else None

    writer = TurnWriter(journal, commit)
    runner = TurnRunner(writer, policy.reply, ended)
    bounded = policy.limits.budgets.limit_anybody
    planner = TurnPlanner(catalog, policy.context, counter_for or _counter_for, bounded=bounded)
    finalizer = Finalizer(
        conversations, journal, running_turns, usage, search.index, IndexQueue(search.index_each),
        titles=policy.titles, title_rest_s=policy.title_rest_s, reservations=reservations,
    )  # fmt: skip
    tasks = TurnRegistry(commit, runner, finalizer)
    stops = PendingStops(journal, pubsub)
    recovery = Recovery(
        journal, branches, roles, planner, writer, tasks, finalizer, running_turns, stops, policy.on_loss,
        policy.reply.seconds, reservations,
    )  # fmt: skip
    tails = Tails(journal, commit, pubsub, recovery.recover, policy.reread_s)
    renewal = LeaseRenewal(journal, commit, writer, tasks, pubsub, policy.intervals)
    sweeper = Sweeper(journal, tasks, running_turns, recovery, finalizer, policy.intervals)

    turns = TurnService(
        conversations, branches, roles, journal, commit, planner, tasks, running_turns, stops, recovery, tails, pubsub,
        finalizer, policy.owner_check_s, reservations,
    )  # fmt: skip
    return Services(
        turns=turns,
        conversations=ConversationService(
            conversations, branches, roles, catalog, preferences, turns, finalizer, Changes(database), pubsub
        ),
        exporter=Exporter(outgoing, own_personas, preferences),
        importer=Importer(incoming, own_personas, preferences, folder, policy.imports),
        search=search,
        usage=usage,
        personas=roles,
        preferences=preferences,
        catalog=catalog,
        prices=prices,
        lifecycle=Lifecycle(
            journal.worker,
            turns,
            commit,
            tasks,
            stops,
            recovery,
            tails,
            renewal,
            sweeper,
            finalizer,
            pubsub,
            reservations,
        ),
        store=store,
        audit=AuditLog(database),
        admission=admission,
        rate=rate,
        download=download,
        accounts=build_accounts(store, conversations, pubsub, rate) if with_accounts else None,
    )


def conversation_store(store: Store, settings: Settings) -> ConversationStore:
    """The conversations by themselves, for a command."""
    return ConversationStore(store.database, policy_of(settings).retention, store.erased)


def oidc_of(settings: Settings, store: Store) -> "Oidc | None":
    """The providers at which people may log in. Raises `WrongSettings`."""
    if not (providers := read_providers(settings)):
        return None
    try:
        from lianhua.auth.oidc import Oidc  # noqa: PLC0415  only here is its HTTP client needed
    except ImportError as exc:
        raise WrongSettings("LIANHUA_OIDC_ISSUER: needs more packages; pip install 'lianhua[oidc]'") from exc
    return Oidc(providers, PendingLogins(store.database))


def proxy_users_of(settings: Settings, accounts: Accounts) -> ProxyUsers | None:
    """Who is logged in by a proxy in front. Raises `WrongSettings`."""
    if not settings.proxy_user_header:
        return None
    if any(network.prefixlen == 0 for network in settings.trusted_proxies):
        raise WrongSettings("LIANHUA_TRUSTED_PROXIES: with LIANHUA_PROXY_USER_HEADER, not everybody can be believed")
    if not settings.trusted_proxies:
        raise WrongSettings("LIANHUA_PROXY_USER_HEADER: needs LIANHUA_TRUSTED_PROXIES, from which it is believed")
    return ProxyUsers(ProxyHeader(settings.proxy_user_header, settings.proxy_groups_header), accounts)


def build_accounts(
    store: Store, conversations: ConversationStore, pubsub: PubSub, rate: Rate | None = None
) -> Accounts:
    """People's accounts over an open store. `rate` limits how often a login is tried."""
    database = store.database
    return Accounts(
        UserStore(database),
        Sessions(SessionStore(database)),
        Tokens(TokenStore(database)),
        GroupStore(database),
        InviteStore(database),
        Passwords(),
        Verifier(CredentialStore(database)),
        PersonErasure(database, conversations, store.erased),
        pubsub,
        _login_limit(rate) if rate and rate.limits("login") else no_limit,
    )


def _login_limit(rate: Rate) -> LoginLimit:
    async def limit(name: str, address: str) -> None:
        taken = await rate.take(["login"], {"name": name, "address": address})
        if not taken.allowed:
            raise RateLimited(math.ceil(taken.wait_s), taken.headers)

    return limit


def _admission(database: StoreClient, running_turns: RunningTurns, limits: Limits) -> Admission:
    spending = Spending(database, lambda at: calendar(at, limits.zone), time.time)
    return Admission(spending, running_turns, limits.budgets.of, limits.bounds, limits.zone)


def _traces_to(endpoint: str) -> "TurnTraces":
    try:
        from lianhua.turns.traces import TurnTraces  # noqa: PLC0415  an extra, and 100 ms to load
    except ImportError as exc:
        raise WrongSettings("LIANHUA_OTLP_ENDPOINT: install lianhua[otel] for it") from exc
    return TurnTraces(endpoint, REQUEST_ID.get)


def load_personas(settings: Settings) -> Personas:
    """The built-in personas and the operator's. Raises `WrongSettings`."""
    built_in = (files("lianhua.chat") / "personas.toml").read_text("utf-8")
    personas = parse_personas(built_in, "personas.toml")
    if settings.personas:
        personas |= parse_personas(
            read_file(settings.personas, "LIANHUA_PERSONAS"), f"LIANHUA_PERSONAS: {settings.personas}"
        )
    return Personas(personas)


@cache
def _counter_for(model: str) -> CountTokens:
    count, how = token_counter(model)
    logger.info("tokens of %s are counted by %s", model, how)
    return count
