"""`lianhua user`: people's accounts from the command line, beside a server that runs or without one."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from lianhua.auth.accounts import Accounts, checked_name
from lianhua.config.settings import Settings
from lianhua.errors import InvalidRequest, NameTaken, UserNotFound
from lianhua.store.client.pubsub import PubSub
from lianhua.store.open import open_beside
from lianhua.wiring import build_accounts, conversation_store


def add_user_command(commands: Any, run: Any) -> None:
    """`lianhua user add | list | disable | enable | delete | link`."""
    user = commands.add_parser("user", help="who may log in: add, list, disable, enable, delete, link")
    acts = user.add_subparsers(dest="act", metavar="add | list | disable | enable | delete | link", required=True)
    add = acts.add_parser("add", help="a new account; prints a link, good for 24 h, with which its password is set")
    add.add_argument("name")
    add.add_argument("--admin", action="store_true", help="may see people and usage, and change accounts")
    add.add_argument("--group", default="", help="the group that the person is in")
    acts.add_parser("list", help="everybody who has an account")
    for act, text in (
        ("disable", "lets a person in no more, and ends what they have open"),
        ("enable", "lets a person in again"),
        ("delete", "erases all that is a person's"),
        ("link", "a new link, good for 24 h, with which the password is set anew"),
    ):
        acts.add_parser(act, help=text).add_argument("name")
    user.set_defaults(run=run)


def run_user_command(settings: Settings, arguments: argparse.Namespace) -> int:
    """The exit code: 1 where the act was refused, which one line says."""
    try:
        asyncio.run(_act(settings, arguments))
    except (NameTaken, UserNotFound) as exc:
        print(f"lianhua: {exc.code}: {exc}")
        return 1
    except InvalidRequest as exc:
        print(f"lianhua: {exc}")
        return 1
    return 0


async def _act(settings: Settings, arguments: argparse.Namespace) -> None:
    async with _open(settings) as accounts:
        if arguments.act == "list":
            for account in await accounts.users.all():
                print(f"{account.name}\t{account.role}\t{account.state}\t{account.group or '-'}")
            return
        name = checked_name(arguments.name)
        match arguments.act:
            case "add":
                role = "admin" if arguments.admin else "user"
                print(_address(settings, await accounts.add_user(name, role, arguments.group)))  # type: ignore[arg-type]
            case "link":
                print(_address(settings, await accounts.link(name)))
            case "disable":
                await accounts.change_user(name, state="disabled")
            case "enable":
                await accounts.change_user(name, state="active")
            case "delete":
                await accounts.delete_user(name)


@asynccontextmanager
async def _open(settings: Settings) -> AsyncIterator[Accounts]:
    async with open_beside(settings) as store:
        accounts = build_accounts(store, conversation_store(store, settings), PubSub(store.database))
        try:
            yield accounts
        finally:
            accounts.close()


def _address(settings: Settings, link: str) -> str:
    """Where the link leads. What stands behind `#` no server and no log gets to see."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    origin = settings.allowed_origins[0] if settings.allowed_origins else f"http://{host}:{settings.port}"
    return f"{origin}{settings.base_path}/#link={link}"
