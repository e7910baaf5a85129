"""Bodies of logins, sessions and tokens."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from lianhua.api.deps import Name
from lianhua.api.schemas.body import In, Out

Password = Annotated[str, Field(max_length=256)]
Secret = Annotated[str, Field(max_length=300)]
Scope = Literal["chat", "read", "admin"]
LONGEST_DAYS = 3_650


class LoginBody(In):
    name: Name
    password: Password


class PasswordBody(In):
    old: Password
    new: Password


class LinkBody(In):
    """`password` left out: only what the link is for. `name` is for an invite, where the person chooses one."""

    link: Secret
    name: Name | None = None
    password: Password | None = None


class TokenBody(In):
    """Without `days` the token never expires."""

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=3)]
    days: Annotated[int | None, Field(ge=1, le=LONGEST_DAYS)] = None


class MeOut(Out):
    """`scopes` are those of the token that asks; `*` with a login."""

    name: str
    role: Literal["admin", "user"]
    group: str
    scopes: list[str]


class LinkOut(Out):
    """`name` null: an invite."""

    name: str | None


class SessionOut(Out):
    """Times are Unix seconds. `current` is the one that asks."""

    id: str
    created_at: float
    seen_at: float
    expires_at: float
    agent: str
    address: str
    current: bool = False


class SessionsOut(Out):
    sessions: Sequence[SessionOut]


class TokenOut(Out):
    id: str
    name: str
    scopes: Sequence[str]
    created_at: float
    expires_at: float | None
    last_used_at: float | None


class NewTokenOut(TokenOut):
    """`token` is shown this once."""

    token: str


class TokensOut(Out):
    tokens: Sequence[TokenOut]
