"""Everything that can go wrong in a way that somebody outside can act on.

    LianhuaError
    ├── WrongSettings            the operator mends a setting; the server does not start
    ├── Refused                  the caller changes the request
    │   ├── InvalidRequest ── FileCut, FileDamaged, NothingImported       a file to import
    │   ├── UnknownRole, UnknownModel, MessageTooLong
    │   ├── ConversationNotFound, TurnNotFound, PersonaNotFound      the same for "not yours" and "not there"
    │   ├── TurnInProgress, IdempotencyMismatch, MessageErased
    │   ├── Limited ── RateLimited, TurnsRunning, QuotaExhausted      later, or less
    │   ├── NotAuthenticated (LoginFailed, OidcRefused), LinkUsed, WeakPassword, UserNotFound, NameTaken   accounts
    │   └── CrossSite, ForeignHost, Forbidden, UntrustedHeader, PayloadTooLarge, HeadTooLarge, HeadTooSlow
    ├── Unavailable              the caller tries again later
    │   └── StoreUnavailable, OidcUnavailable, Overloaded (DiskFull), Draining
    └── ModelError               a turn ends `failed`; the person may try again
        ├── ModelAuthFailed, ModelRefused (PrefillRefused), ModelBadResponse, ContextTooLong
        └── ModelRateLimited, ModelUnavailable, ModelTimeout

A branch is what the one who catches it can do. HTTP is not known here: `api/problems` maps these to statuses. A bug
of our own is in no branch.
"""

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import ClassVar


class LianhuaError(Exception):
    """`code` is stable and snake_case; the text is for logs and never holds what a person wrote."""

    code: ClassVar[str] = "internal"


class WrongSettings(LianhuaError):
    """One line that names the setting and says what it should be."""


class Refused(LianhuaError):
    code = "invalid_request"


class InvalidRequest(Refused):
    """`field` is the part of the request that is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class FileCut(InvalidRequest):
    """A file to import that ends too soon."""

    code = "import_cut"


class FileDamaged(InvalidRequest):
    """An export of ours that is not as it was when it left."""

    code = "import_damaged"


class NothingImported(InvalidRequest):
    """A file of a known format in which nothing is that could be kept; `skipped` says what there is instead."""

    code = "import_empty"

    def __init__(self, field: str, message: str, skipped: Sequence[dict[str, str | int]]) -> None:
        super().__init__(field, message)
        self.skipped = skipped


class UnknownRole(Refused):
    code = "unknown_role"


class UnknownModel(Refused):
    code = "unknown_model"


class MessageTooLong(Refused):
    """`limit` and `length` are in `unit`: characters, or tokens where the context window is too small."""

    code = "message_too_long"

    def __init__(self, limit: int, length: int, unit: str) -> None:
        super().__init__(f"{length} {unit}, at most {limit}")
        self.limit = limit
        self.length = length
        self.unit = unit


class ConversationNotFound(Refused):
    code = "conversation_not_found"


class TurnNotFound(Refused):
    code = "turn_not_found"


class PersonaNotFound(Refused):
    """No persona of that id is the caller's own. `UnknownRole` is about one to talk with, of whatever origin."""

    code = "persona_not_found"


class TurnInProgress(Refused):
    """The conversation's one running turn is `turn_id`."""

    code = "turn_in_progress"

    def __init__(self, turn_id: str) -> None:
        super().__init__(turn_id)
        self.turn_id = turn_id


class IdempotencyMismatch(Refused):
    code = "idempotency_mismatch"


class MessageErased(Refused):
    """The same request was taken before, and what came of it has been cleared: it is not brought back."""

    code = "message_erased"


class Limited(Refused):
    """The caller has had enough for now: the same is taken after `wait_s` seconds."""

    def __init__(self, why: str, wait_s: float) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class RateLimited(Limited):
    """Asked too often. `headers` say by which limit, and what is left."""

    code = "rate_limited"

    def __init__(self, wait_s: float, headers: Mapping[str, str]) -> None:
        super().__init__(f"for {wait_s:.1f} s", wait_s)
        self.headers = headers


class TurnsRunning(Limited):
    """So many of the caller's turns are running, and no more may."""

    code = "rate_limited"

    def __init__(self, running: int) -> None:
        super().__init__(f"{running} turns are running", 2.0)
        self.running = running


class QuotaExhausted(Limited):
    """A turn may use `needed`, and of the budget of a `period` (day or month) only `left` is there: in `unit`, tokens
    or millionths of the currency. It begins anew at `resets_at` (Unix seconds), in `wait_s` seconds, in `zone`.
    """

    code = "quota_exhausted"

    def __init__(
        self, unit: str, period: str, needed: int, left: int, resets_at: float, wait_s: float, zone: tzinfo
    ) -> None:
        super().__init__(f"{unit} of a {period}: {needed} needed, {left} left", wait_s)
        self.unit = unit
        self.period = period
        self.needed = needed
        self.left = left
        self.resets_at = resets_at
        self.zone = zone


class CrossSite(Refused):
    """`origin` and `host` are what the request said, where the two do not fit; both empty where a browser said by
    itself that another site asks.
    """

    code = "cross_site"

    def __init__(self, why: str, origin: str = "", host: str = "") -> None:
        super().__init__(why)
        self.origin = origin
        self.host = host


class ForeignHost(Refused):
    """The request is for `host`, to which the server does not answer; `names` are those that it has."""

    code = "forbidden"

    def __init__(self, host: str, names: Sequence[str]) -> None:
        super().__init__("a name that is not ours")
        self.host = host
        self.names = names


class Forbidden(Refused):
    code = "forbidden"


class NotAuthenticated(Refused):
    code = "not_authenticated"


class LoginFailed(NotAuthenticated):
    """The same for an unknown name, a wrong password and an account that is disabled."""

    code = "login_failed"


class OidcRefused(NotAuthenticated):
    """What a login at an OpenID provider brought back is not to be believed, or does not let in."""

    code = "oidc_refused"


class UntrustedHeader(Refused):
    """The header that names a user, sent by nobody who may, or not exactly once."""

    code = "untrusted_header"


class LinkUsed(Refused):
    """A one-time link or an invite that was used, has run out or never was."""

    code = "link_used"


class WeakPassword(InvalidRequest):
    """A password that is too short or among the commonest."""

    code = "weak_password"


class UserNotFound(Refused):
    code = "user_not_found"


class NotFound(Refused):
    """A session, token or invite that is not there, or not the caller's."""

    code = "not_found"


class NameTaken(Refused):
    """There is a user or a group of that name."""

    code = "name_taken"


class PayloadTooLarge(Refused):
    code = "payload_too_large"


class HeadTooLarge(Refused):
    """The request line and the headers together are more than `limit` bytes."""

    code = "head_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} bytes")
        self.limit = limit


class HeadTooSlow(Refused):
    """The request line and the headers did not come within `limit_s` seconds."""

    code = "head_too_slow"

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"not within {limit_s:g} s")
        self.limit_s = limit_s


class Unavailable(LianhuaError):
    retry_after_s: ClassVar[int] = 2


class StoreUnavailable(Unavailable):
    code = "store_unavailable"


class Overloaded(Unavailable):
    code = "overloaded"


class OidcUnavailable(Unavailable):
    """The OpenID provider cannot be reached, or its own documents are not right."""

    code = "oidc_unavailable"


class DiskFull(Overloaded):
    """The disk has no room for a file that comes in."""


class Draining(Unavailable):
    code = "draining"


class ModelError(LianhuaError):
    """`detail` is for the log: a status or the kind of fault, never an upstream body.

    `text` names what people are told, of `texts`, where that is more than the code says; `values` go into it. `status`
    is that of the server's answer, 0 where there was none.
    """

    status = 0

    def __init__(self, detail: str = "", text: str = "", **values: str) -> None:
        super().__init__(detail)
        self.text = text
        self.values = values


class ModelAuthFailed(ModelError):
    code = "model_auth_failed"


class ModelRefused(ModelError):
    code = "model_refused"


class PrefillRefused(ModelRefused):
    """The server lets its model not go on with a reply of its own; it can be asked to."""


class ModelBadResponse(ModelError):
    code = "model_bad_response"


class ContextTooLong(ModelError):
    code = "context_too_long"


class ModelRateLimited(ModelError):
    code = "model_rate_limited"


class ModelUnavailable(ModelError):
    code = "model_unavailable"


class ModelTimeout(ModelError):
    code = "model_timeout"
