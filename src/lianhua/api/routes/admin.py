"""People, invites, groups and usage, for administrators. Nothing here leads to anybody's text."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from lianhua.api.deps import CallerIdentity, Ledger, OpenAccounts, PriceList
from lianhua.api.routes.auth import ShortId
from lianhua.api.routes.usage import LONGEST_DAYS, SHOWN_DAYS, Day
from lianhua.api.schemas.admin import (
    GroupBody,
    GroupOut,
    GroupsOut,
    InviteBody,
    InviteOut,
    InvitesOut,
    IssuedLinkOut,
    UsageByUserOut,
    UserBody,
    UserOut,
    UserPatch,
    UsersOut,
    UserUsageOut,
)
from lianhua.api.schemas.usage import spent_out
from lianhua.auth.identity import Identity
from lianhua.chat.messages import Spent
from lianhua.config.settings import DAY_S
from lianhua.errors import Forbidden, InvalidRequest, NotFound
from lianhua.store.groups import Group
from lianhua.store.usage import UsageLedger

router = APIRouter(prefix="/admin", tags=["admin"])
READ_AT_ONCE: Final = 32  # people's ledgers
UserName = Annotated[str, Path(pattern=r"^[A-Za-z0-9._@-]{1,64}$")]
GroupName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


@router.get("/users")
async def list_users(accounts: OpenAccounts) -> UsersOut:
    """Everybody who has an account, by name."""
    return UsersOut(users=[UserOut.model_validate(account) for account in await accounts.users.all()])


@router.post("/users", status_code=201)
async def add_user(accounts: OpenAccounts, body: UserBody) -> IssuedLinkOut:
    """Makes an account; the answer is its one-time link."""
    return IssuedLinkOut(link=await accounts.add_user(body.name, body.role, body.group))


@router.patch("/users/{name}")
async def change_user(accounts: OpenAccounts, identity: CallerIdentity, name: UserName, body: UserPatch) -> UserOut:
    """Changes role, group or state, and ends all of the person's sessions. Nobody does so to themselves: so there is
    always an administrator.
    """
    _not_oneself(identity, name)
    account = await accounts.change_user(name, role=body.role, group=body.group, state=body.state)
    return UserOut.model_validate(account)


@router.delete("/users/{name}", status_code=204)
async def delete_user(accounts: OpenAccounts, identity: CallerIdentity, name: UserName) -> Response:
    """Erases all that is the person's, wherever they are at work: it takes some seconds. Cut off, ask again."""
    _not_oneself(identity, name)
    await accounts.delete_user(name)
    return Response(status_code=204)


@router.post("/users/{name}/link", status_code=201)
async def make_link(accounts: OpenAccounts, name: UserName) -> IssuedLinkOut:
    """A one-time link for a new password, good for a day."""
    return IssuedLinkOut(link=await accounts.link(name))


def _not_oneself(identity: Identity, name: str) -> None:
    if name == identity.user_id:
        raise Forbidden("another administrator has to do that")


@router.get("/invites")
async def list_invites(accounts: OpenAccounts) -> InvitesOut:
    """Those not yet accepted."""
    found = [
        InviteOut(
            id=one.id,
            role=one.invite.role,
            group=one.invite.group,
            made_by=one.invite.made_by,
            expires_at=one.invite.expires_at,
        )
        for one in await accounts.invites.all()
    ]
    return InvitesOut(invites=found)


@router.post("/invites", status_code=201)
async def make_invite(accounts: OpenAccounts, identity: CallerIdentity, body: InviteBody) -> IssuedLinkOut:
    """A link with which one person makes an account of that role and group."""
    return IssuedLinkOut(link=await accounts.invite(body.role, body.group, identity.user_id, body.days * DAY_S))


@router.delete("/invites/{invite_id}", status_code=204)
async def revoke_invite(accounts: OpenAccounts, invite_id: ShortId) -> Response:
    if not await accounts.invites.revoke(invite_id):
        raise NotFound("invite")
    return Response(status_code=204)


@router.get("/groups")
async def list_groups(accounts: OpenAccounts) -> GroupsOut:
    return GroupsOut(groups=[_group_out(group) for group in await accounts.groups.all()])


@router.put("/groups/{name}")
async def put_group(accounts: OpenAccounts, name: GroupName, body: GroupBody) -> GroupOut:
    """Makes a group or changes it."""
    before = await accounts.groups.get(name)
    group = Group(
        name,
        None if body.models is None else tuple(body.models),
        body.retention_days,
        body.retention_messages,
        body.temporary_only,
        before.budgets if before else {},
    )
    await accounts.groups.put(group)
    return _group_out(group)


@router.delete("/groups/{name}", status_code=204)
async def remove_group(accounts: OpenAccounts, name: GroupName) -> Response:
    """Removes a group that nobody is in."""
    if any(account.group == name for account in await accounts.users.all()):
        raise InvalidRequest("group", "somebody is in it")
    await accounts.groups.remove(name)
    return Response(status_code=204)


def _group_out(group: Group) -> GroupOut:
    return GroupOut(
        name=group.name,
        models=None if group.models is None else list(group.models),
        retention_days=group.retention_days,
        retention_messages=group.retention_messages,
        temporary_only=group.temporary_only,
    )


@router.get("/usage")
async def read_usage_by_user(
    accounts: OpenAccounts,
    ledger: Ledger,
    prices: PriceList,
    first: Annotated[Day | None, Query(alias="from", description="The first day, in UTC")] = None,
    last: Annotated[Day | None, Query(alias="to", description="The last day, in UTC; today where left out")] = None,
) -> UsageByUserOut:
    """Turns, tokens and cost of each person; 30 days where no first one is named, at most 366."""
    last = last or datetime.now(UTC).date()
    first = first or last - min(timedelta(days=SHOWN_DAYS - 1), last - date.min)
    if not timedelta(0) <= last - first < timedelta(days=LONGEST_DAYS):
        raise InvalidRequest("from", f"at most {LONGEST_DAYS} days before `to`, and not after it")
    names = [account.name for account in await accounts.users.all()]
    found: list[UserUsageOut] = []
    for start in range(0, len(names), READ_AT_ONCE):
        some = names[start : start + READ_AT_ONCE]
        spent = await asyncio.gather(*(_spent_by(ledger, name, first, last) for name in some))
        found += [
            UserUsageOut(**spent_out(by_model, prices).model_dump(), name=name)
            for name, by_model in zip(some, spent, strict=True)
        ]
    return UsageByUserOut(users=found)


async def _spent_by(ledger: UsageLedger, name: str, first: date, last: date) -> list[tuple[str, Spent]]:
    return [pair for day in await ledger.days(name, first, last) for pair in day.models.items()]
