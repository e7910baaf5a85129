"""What is open while the server runs, as the routes and the server's process know it."""

from dataclasses import dataclass

from lianhua.chat.prices import Prices
from lianhua.conversations.transfer import Transfer
from lianhua.models.download.download import Download
from lianhua.store.open import Store
from lianhua.store.search.query import ConversationSearch
from lianhua.store.usage import UsageLedger
from lianhua.turns.service import ChatService


@dataclass(frozen=True)
class Chat:
    """Everything that is open while the server runs. `download` is there where the small model may be fetched."""

    service: ChatService
    transfer: Transfer
    ledger: UsageLedger
    search: ConversationSearch
    prices: Prices
    store: Store
    download: Download | None
