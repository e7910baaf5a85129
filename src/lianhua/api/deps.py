"""What routes ask for by type: who is asking, in which language, of which conversation. A refusal here has a real
status.

All of them are coroutines, although none waits: the framework would run a plain function in a thread.
"""

import re
import secrets
from typing import Annotated

from fastapi import Depends, Header, Path, Query, Request
from pydantic import AfterValidator, Field
from starlette.types import Scope

from lianhua.api.logged_in import ACCOUNTS_MODE, identity_in
from lianhua.api.services import Services
from lianhua.auth.accounts import Accounts
from lianhua.auth.identity import COOKIE_DAYS, USER_ID_PATTERN, Identity, OpenMode, cookie_name
from lianhua.chat import texts
from lianhua.chat.messages import Language
from lianhua.chat.plain_text import NAME_CHARS, TITLE_CHARS, is_plain
from lianhua.chat.prices import Prices
from lianhua.chat.turn import TurnRef
from lianhua.conversations.exporting import Exporter
from lianhua.conversations.importing import Importer
from lianhua.conversations.service import ConversationService
from lianhua.errors import ConversationNotFound, InvalidRequest, NotAuthenticated, NotFound, TurnNotFound
from lianhua.limits.admission import Admission
from lianhua.models.catalog import Catalog
from lianhua.models.download.download import Download
from lianhua.store.audit import Action, AuditLog
from lianhua.store.preferences import PreferenceStore
from lianhua.store.search.query import ConversationSearch
from lianhua.store.usage import UsageLedger
from lianhua.turns.personas import AvailablePersonas
from lianhua.turns.service import TurnService

_OPEN_MODE = OpenMode()
# UUID version 4, lower case, as `POST /chat/start` gives it out.
_CONVERSATION_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TURN_ID = re.compile(r"[0-9a-f]{1,64}")


def plain_text(value: str) -> str:
    """Refuses what no person types and no terminal or log should meet."""
    if not is_plain(value):
        raise ValueError("control characters and lone surrogates are not allowed")
    return value


PlainText = Annotated[str, AfterValidator(plain_text)]
Title = Annotated[PlainText, Field(max_length=TITLE_CHARS)]
Name = Annotated[PlainText, Field(min_length=1, max_length=NAME_CHARS)]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most")]
UserId = Annotated[str | None, Query(pattern=USER_ID_PATTERN, description="Who is asking; without it, the cookie says")]
Wanted = Annotated[
    Annotated[str, Field(max_length=200), AfterValidator(plain_text)] | None,
    Query(description="Only conversations whose title or messages contain this"),
]
Before = Annotated[str | None, Query(max_length=200, description="The `next` of the page before")]


# One step each, not two: the framework takes time for every dependency of a dependency.


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def get_services(request: Request) -> Services:
    return _services(request)


async def get_turns(request: Request) -> TurnService:
    return _services(request).turns


async def get_conversations(request: Request) -> ConversationService:
    return _services(request).conversations


async def get_catalog(request: Request) -> Catalog:
    return _services(request).catalog


async def get_personas(request: Request) -> AvailablePersonas:
    return _services(request).personas


async def get_choices(request: Request) -> PreferenceStore:
    return _services(request).preferences


async def get_ledger(request: Request) -> UsageLedger:
    return _services(request).usage


async def get_admission(request: Request) -> Admission | None:
    return _services(request).admission


async def get_search(request: Request) -> ConversationSearch:
    return _services(request).search


async def get_prices(request: Request) -> Prices:
    return _services(request).prices


async def get_exporter(request: Request) -> Exporter:
    return _services(request).exporter


async def get_importer(request: Request) -> Importer:
    return _services(request).importer


async def get_download(request: Request) -> Download | None:
    return _services(request).download


async def get_base_path(request: Request) -> str:
    """What stands before every path as the caller sees it: empty, or like `/chat`."""
    base_path: str = request.scope["root_path"]
    return base_path


BasePath = Annotated[str, Depends(get_base_path)]


async def get_identity(request: Request, user_id: UserId = None) -> Identity:
    """Who is asking. In open mode a new user gets the cookie by which the next request is known."""
    if known := _identify(request, user_id):
        return known
    visitor = _OPEN_MODE.welcome()
    request.scope.setdefault("state", {})["set_cookie"] = _set_cookie(request, visitor.cookie)
    return visitor.identity


async def get_visitor(request: Request, user_id: UserId = None) -> Identity | None:
    """`get_identity`, for what is there for everybody: None where people log in and nobody has."""
    return None if request.scope["state"].get(ACCOUNTS_MODE) else await get_identity(request, user_id)


async def get_accounts(request: Request) -> Accounts:
    """Raises `NotFound` in open mode, which has none."""
    accounts = _services(request).accounts
    if accounts is None:
        raise NotFound("accounts")
    return accounts


async def get_caller(request: Request) -> Identity:
    """Who is logged in. Raises `NotAuthenticated` for nobody."""
    identity = identity_in(request.scope.get("state", {}))
    if identity is None:
        raise NotFound("accounts")
    return identity


async def get_user(identity: Annotated[Identity, Depends(get_identity)]) -> str:
    """The owner's name in the store."""
    return identity.user_id


async def get_known_user(request: Request, user_id: UserId = None) -> str | None:
    """The owner's name in the store, None for a new user, who gets no cookie."""
    known = _identify(request, user_id)
    return known.user_id if known else None


def known_identity(scope: Scope) -> Identity | None:
    """Who is asking, for what has to know before a route does; None for a new user or an ill-formed name."""
    request = Request(scope)
    user_id = request.query_params.get("user_id")
    if user_id is not None and not re.fullmatch(USER_ID_PATTERN, user_id):
        return None
    try:
        return _identify(request, user_id)
    except NotAuthenticated:  # where nobody has to log in, as to do so
        return None


def _identify(request: Request, user_id: str | None) -> Identity | None:
    if logged_in := identity_in(request.scope.get("state", {})):
        return logged_in
    return _OPEN_MODE.identify(user_id, request.cookies.get(cookie_name(request.scope["root_path"]), ""))


def _set_cookie(request: Request, value: str) -> str:
    """The header's value."""
    base_path = request.scope["root_path"]
    secure = "; Secure" if request.url.scheme == "https" else ""
    return (
        f"{cookie_name(base_path)}={value}; Path={base_path or '/'}; Max-Age={COOKIE_DAYS * 86_400}; "
        f"HttpOnly; SameSite=Lax{secure}"
    )


class Auditor:
    """Puts what a caller has done into the audit, with who and from where."""

    def __init__(self, log: AuditLog, user: str, address: str) -> None:
        self._log = log
        self._user = user
        self._address = address

    async def record(self, action: Action, *, target: str = "", **detail: str | int | float | bool) -> None:
        """See `AuditLog.record`."""
        await self._log.record(action, user=self._user, address=self._address, target=target, **detail)


async def get_auditor(request: Request, identity: Annotated[Identity, Depends(get_identity)]) -> Auditor:
    return Auditor(_services(request).audit, identity.user_id, request.client.host if request.client else "")


async def get_language(accept_language: Annotated[str | None, Header(include_in_schema=False)] = None) -> Language:
    return texts.preferred_language(accept_language)


def known_form(conversation_id: str) -> str:
    """`conversation_id`, if it has the form of one. Raises `ConversationNotFound`, as for any other unknown id."""
    if not _CONVERSATION_ID.fullmatch(conversation_id):
        raise ConversationNotFound(f"{len(conversation_id)} characters")
    return conversation_id


async def get_conversation_id(conversation_id: Annotated[str, Path(description="A conversation's id")]) -> str:
    return known_form(conversation_id)


async def get_session_id(session_id: Annotated[str, Query(description="The conversation's id")]) -> str:
    return known_form(session_id)


async def get_turn_ref(
    conversation_id: Annotated[str, Depends(get_conversation_id)],
    turn_id: Annotated[str, Path(description="A turn's id")],
) -> TurnRef:
    if not _TURN_ID.fullmatch(turn_id):
        raise TurnNotFound(f"{len(turn_id)} characters")
    return TurnRef(conversation_id, turn_id)


async def get_idempotency_key(
    idempotency_key: Annotated[
        str | None, Header(max_length=200, description="The same key never starts a second turn")
    ] = None,
) -> str:
    """The caller's key, or one that nobody else has."""
    if idempotency_key is None:
        return secrets.token_hex(16)
    if not idempotency_key.strip() or not idempotency_key.isascii() or not idempotency_key.isprintable():
        raise InvalidRequest("Idempotency-Key", "1 to 200 printable ASCII characters")
    return idempotency_key


OpenAccounts = Annotated[Accounts, Depends(get_accounts)]
CallerIdentity = Annotated[Identity, Depends(get_caller)]
Open = Annotated[Services, Depends(get_services)]
Turns = Annotated[TurnService, Depends(get_turns)]
Conversations = Annotated[ConversationService, Depends(get_conversations)]
Models = Annotated[Catalog, Depends(get_catalog)]
Exports = Annotated[Exporter, Depends(get_exporter)]
Imports = Annotated[Importer, Depends(get_importer)]
ModelDownload = Annotated[Download | None, Depends(get_download)]
Caller = Annotated[Identity, Depends(get_identity)]
User = Annotated[str, Depends(get_user)]
Visitor = Annotated[Identity | None, Depends(get_visitor)]
Audit = Annotated[Auditor, Depends(get_auditor)]
KnownUser = Annotated[str | None, Depends(get_known_user)]
UserRoles = Annotated[AvailablePersonas, Depends(get_personas)]
Choices = Annotated[PreferenceStore, Depends(get_choices)]
Ledger = Annotated[UsageLedger, Depends(get_ledger)]
Limits = Annotated[Admission | None, Depends(get_admission)]
Search = Annotated[ConversationSearch, Depends(get_search)]
PriceList = Annotated[Prices, Depends(get_prices)]
ViewerLanguage = Annotated[Language, Depends(get_language)]
ConversationId = Annotated[str, Depends(get_conversation_id)]
SessionId = Annotated[str, Depends(get_session_id)]
Turn = Annotated[TurnRef, Depends(get_turn_ref)]
IdempotencyKey = Annotated[str, Depends(get_idempotency_key)]
