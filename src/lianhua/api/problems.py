"""Which status each error class has, and how it looks: RFC 9457 problem details with a stable `code`."""

import json
import logging
import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from lianhua import errors
from lianhua.chat import texts
from lianhua.chat.messages import Language
from lianhua.config.logs import REQUEST_ID
from lianhua.errors import LianhuaError

logger = logging.getLogger(__name__)

# The nearest class in an error's ancestry counts.
STATUS: Final[dict[type[LianhuaError], int]] = {
    errors.Refused: 422,
    errors.ConversationNotFound: 404,
    errors.TurnNotFound: 404,
    errors.PersonaNotFound: 404,
    errors.UserNotFound: 404,
    errors.NotFound: 404,
    errors.LinkUsed: 404,
    errors.NameTaken: 409,
    errors.TurnInProgress: 409,
    errors.MessageErased: 410,
    errors.Limited: 429,
    errors.UntrustedHeader: 400,
    errors.NotAuthenticated: 401,
    errors.Forbidden: 403,
    errors.CrossSite: 403,
    errors.ForeignHost: 403,
    errors.PayloadTooLarge: 413,
    errors.HeadTooLarge: 431,
    errors.HeadTooSlow: 408,
    errors.Unavailable: 503,
    errors.ModelUnavailable: 503,
}
# The most that `Retry-After` says: clients are known that take a larger one for none, and repeat at once.
LONGEST_RETRY_S: Final = 3_600
SHOWN_CHARS: Final = 100  # of a header that an answer repeats
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_HTTP_CODES: Final = {401: "not_authenticated", 404: "not_found", 405: "method_not_allowed", 413: "payload_too_large"}


class Problem(JSONResponse):
    media_type = "application/problem+json"


def problem(status: int, code: str, language: Language, detail: str | None = None, **more: Any) -> Problem:
    """The response. `detail` is for people; without one the code's own text stands there."""
    title = texts.say(code if texts.has(code) else "internal", language)
    body: dict[str, Any] = {
        "type": f"urn:lianhua:error:{code}",
        "title": title,
        "status": status,
        "detail": detail or title,
        "code": code,
    }
    if request_id := REQUEST_ID.get():
        body["request_id"] = request_id  # by which the operator finds its lines in the log
    headers = {"Retry-After": str(errors.Unavailable.retry_after_s)} if status in (429, 503) else None
    if status == 401:
        headers = {"WWW-Authenticate": "Bearer"}  # RFC 9110, 15.5.2
    return Problem(body | more, status, headers)


def problem_of(error: LianhuaError, language: Language) -> Problem:
    """The response for one of our errors: what happened and, where there is more to know, what exactly."""
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
    detail: str | None = None
    more: dict[str, Any] = {}
    match error:
        case errors.NothingImported():
            fault = {"field": error.field, "message": error.message}
            detail = f"{error.field}: {error.message}"
            return problem(status, error.code, language, detail, errors=[fault], skipped=error.skipped)
        case errors.InvalidRequest():
            detail = f"{error.field}: {error.message}"
            more = {"errors": [{"field": error.field, "message": error.message}]}
        case errors.TurnInProgress():
            more = {"running_turn_id": error.turn_id}
        case errors.MessageTooLong():
            detail = f"{texts.say(error.code, language)} ({error.length} > {error.limit} {error.unit})"
            more = {"errors": [{"field": "message", "message": detail}]}
        case errors.HeadTooLarge():
            detail = texts.say("head_limit", language, limit=error.limit)
        case errors.CrossSite() if error.origin:
            seen = {"origin": error.origin[:SHOWN_CHARS], "host": error.host[:SHOWN_CHARS] or "?"}
            detail = texts.say("cross_site_host", language, **seen)
        case errors.DiskFull():
            detail = texts.say("disk_full", language)
        case errors.ForeignHost():
            host = error.host[:SHOWN_CHARS]
            detail = texts.say("foreign_host", language, host=host or "?", names=", ".join(error.names))
        case errors.Forbidden():
            detail = str(error)
        case errors.Limited():
            return _limited(error, language)
    return problem(status, error.code, language, detail, **more)


def _limited(error: errors.Limited, language: Language) -> Problem:
    seconds = min(max(math.ceil(error.wait_s), 1), LONGEST_RETRY_S)
    more: dict[str, Any] = {}
    match error:
        case errors.QuotaExhausted():
            when = datetime.fromtimestamp(error.resets_at, error.zone).strftime("%Y-%m-%d %H:%M")
            named = texts.say(f"{error.unit}_of_{error.period}", language)
            detail = texts.say("quota_until", language, budget=named, when=when, zone=error.zone)
            more = {"unit": error.unit, "period": error.period, "resets_at": error.resets_at}
        case errors.TurnsRunning():
            detail = texts.say("turns_running", language, running=error.running)
        case _:
            detail = texts.say("rate_limited_for", language, seconds=seconds)
    refusal = problem(429, error.code, language, detail, **more)
    refusal.headers["Retry-After"] = str(seconds)
    if isinstance(error, errors.RateLimited):
        refusal.headers.update(error.headers)
    return refusal


def unread(error: LianhuaError | None, headers: Iterable[tuple[bytes, bytes]]) -> Problem:
    """The response to what never became a request: too large a head, or (None) bytes that are none. As far as
    `headers` came; where they name no language, in both.
    """
    languages: tuple[Language, ...] = ("zh", "en")
    if any(name == b"accept-language" for name, _ in headers):
        languages = (language_of({"headers": headers}),)
    said = [
        problem_of(error, language) if error else problem(400, "invalid_request", language) for language in languages
    ]
    return said[0] if len(said) == 1 else _joined(said)


def _joined(said: Sequence[Problem]) -> Problem:
    bodies = [json.loads(bytes(one.body)) for one in said]
    both = {name: " · ".join(body[name] for body in bodies) for name in ("title", "detail")}
    return Problem(bodies[0] | both, said[0].status_code)


def language_of(scope: Scope) -> Language:
    """The viewer's language by `Accept-Language`, without a request object: a refusal may come before there is one."""
    headers = dict(scope.get("headers", ()))
    return texts.preferred_language(headers.get(b"accept-language", b"").decode("latin-1"))


def install(app: FastAPI) -> None:
    """Every refusal leaves as a problem, this program's and the framework's, and so does an unexpected exception."""

    @app.exception_handler(LianhuaError)
    async def refusal(request: Request, exc: LianhuaError) -> Problem:
        return problem_of(exc, language_of(request.scope))

    @app.exception_handler(Exception)
    async def bug(request: Request, _: Exception) -> Problem:
        return problem(500, "internal", language_of(request.scope))  # `guard.Headers` logs it

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, exc: RequestValidationError) -> Problem:
        faults = [_fault(error) for error in exc.errors()]
        detail = "; ".join(f"{fault['field']}: {fault['message']}" for fault in faults[:5])
        return problem(422, "invalid_request", language_of(request.scope), detail, errors=faults)

    @app.exception_handler(HTTPException)
    async def framework(request: Request, exc: HTTPException) -> Problem:
        if exc.status_code == 400:  # a body that could not even be read; one that could be is handled above
            fault = {"field": "body", "message": "not a JSON document"}
            return problem(
                422, "invalid_request", language_of(request.scope), "body: not a JSON document", errors=[fault]
            )
        code = _HTTP_CODES.get(exc.status_code, "invalid_request" if exc.status_code < 500 else "internal")
        response = problem(exc.status_code, code, language_of(request.scope))
        for name, value in (exc.headers or {}).items():
            response.headers[name] = value
        if exc.status_code == 405:
            response.headers["Allow"] = ", ".join(allowed_methods(app, request.scope))
        return response


def allowed_methods(app: FastAPI, scope: Scope) -> list[str]:
    """Every method that the path of `scope` takes (RFC 9110, 10.2.1); the framework itself names those of one route."""
    found = [method for method in _METHODS if route_match(app, scope, method) is Match.FULL]
    return ["GET", "HEAD", *found[1:]] if found[:1] == ["GET"] else found


def route_match(app: FastAPI, scope: Scope, method: str) -> Match:
    """Whether a route takes the path of `scope`: with that method (full), with another one (partial), or none does."""
    asked = {"type": "http", "path": scope["path"], "root_path": scope.get("root_path", ""), "method": method}
    found = [route.matches(dict(asked))[0] for route in app.router.routes]
    return max(found, key=lambda match: match.value, default=Match.NONE)


def _fault(error: dict[str, Any]) -> dict[str, str]:
    """Where and what, without the value: it may be what a person wrote."""
    # A number is a place in the document, and a name with ~ one of several kinds of body.
    names = [part for part in error["loc"] if isinstance(part, str) and not part.startswith("~")]
    names = [name for name in names if name not in ("body", "query", "path", "header")]
    field = ".".join(names) or "body"
    return {"field": field, "message": str(error["msg"])}
