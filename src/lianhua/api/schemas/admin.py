"""Bodies of what administrators see and do: people, invites, groups, usage; never a text."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lianhua.api.deps import Name
from lianhua.api.schemas.body import In, Out
from lianhua.api.schemas.usage import SpentOut

Role = Literal["admin", "user"]
INVITE_DAYS = 7
MOST_MODELS = 200


class UserBody(In):
    name: Name
    role: Role = "user"
    group: str = ""


class UserPatch(In):
    """At least one field; each change ends all of the person's sessions."""

    role: Role | None = None
    group: Annotated[str | None, Field(max_length=64)] = None
    state: Literal["active", "disabled"] | None = None

    @model_validator(mode="after")
    def _something(self) -> "UserPatch":
        if not self.model_fields_set:
            raise ValueError("name at least one of role, group, state")
        return self


class UserOut(Out):
    """`deleting`: their data is being erased; DELETE goes on with it."""

    name: str
    role: Role
    group: str
    state: Literal["active", "disabled", "deleting"]
    created_at: float
    has_password: bool


class UsersOut(Out):
    users: Sequence[UserOut]


class IssuedLinkOut(Out):
    """A one-time link, shown this once: it belongs behind `#link=` in the page's address."""

    link: str


class InviteBody(In):
    role: Role = "user"
    group: Annotated[str, Field(max_length=64)] = ""
    days: Annotated[int, Field(ge=1, le=90)] = INVITE_DAYS


class InviteOut(Out):
    id: str
    role: Role
    group: str
    made_by: str
    expires_at: float


class InvitesOut(Out):
    invites: Sequence[InviteOut]


class GroupBody(In):
    """What is null has no bound of the group's own. `budgets` is kept for whoever counts."""

    models: Annotated[list[Name] | None, Field(max_length=MOST_MODELS)] = None
    retention_days: Annotated[float | None, Field(ge=0, le=36_500)] = None
    retention_messages: Annotated[int | None, Field(ge=0, le=1_000_000)] = None
    temporary_only: bool = False


class GroupOut(GroupBody):
    name: str


class GroupsOut(Out):
    groups: Sequence[GroupOut]


class UserUsageOut(SpentOut):
    name: str


class UsageByUserOut(Out):
    users: Sequence[UserUsageOut]
