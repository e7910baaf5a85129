"""What is open while the server runs: the one graph of objects, as routes and the server's process know it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lianhua.auth.accounts import Accounts
from lianhua.auth.proxy_header import ProxyUsers
from lianhua.chat.prices import Prices
from lianhua.conversations.exporting import Exporter
from lianhua.conversations.importing import Importer
from lianhua.conversations.service import ConversationService
from lianhua.limits.admission import Admission
from lianhua.limits.rate import Rate
from lianhua.models.catalog import Catalog
from lianhua.models.download.download import Download
from lianhua.store.audit import AuditLog
from lianhua.store.open import Store
from lianhua.store.preferences import PreferenceStore
from lianhua.store.search.query import ConversationSearch
from lianhua.store.usage import UsageLedger
from lianhua.turns.lifecycle import Lifecycle
from lianhua.turns.personas import AvailablePersonas
from lianhua.turns.service import TurnService

if TYPE_CHECKING:  # it brings an HTTP client
    from lianhua.auth.oidc import Oidc


@dataclass(frozen=True)
class Services:
    """Made by `wiring`. `accounts` are there in accounts mode, `oidc` and `proxy_users` where set, `download` where the
    small model may be fetched, `admission` and `rate` where there are limits.
    """

    turns: TurnService
    conversations: ConversationService
    exporter: Exporter
    importer: Importer
    search: ConversationSearch
    usage: UsageLedger
    personas: AvailablePersonas
    preferences: PreferenceStore
    catalog: Catalog
    prices: Prices
    lifecycle: Lifecycle
    store: Store
    audit: AuditLog
    admission: Admission | None = field(default=None)
    rate: Rate | None = field(default=None)
    download: Download | None = field(default=None)
    accounts: Accounts | None = field(default=None)
    oidc: "Oidc | None" = field(default=None)
    proxy_users: ProxyUsers | None = field(default=None)
