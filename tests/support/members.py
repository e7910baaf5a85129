"""People with accounts at a server in accounts mode: each by a login cookie or an API token."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import IO, Any

import aiohttp

from tests.support.client import JSON, Answer, Client, Stream

PASSWORD = "correct horse battery staple"
COOKIE = "lianhua"  # over plain http


class Member(Client):
    """One person; `headers` prove who it is, none for nobody."""

    def __init__(self, session: aiohttp.ClientSession, url: str, name: str, proof: Mapping[str, str]) -> None:
        super().__init__(session, url, None)
        self.name = name
        self.proof = dict(proof)

    @property
    def connections(self) -> aiohttp.ClientSession:
        return self._session

    def with_token(self, token: str) -> "Member":
        return Member(self._session, self.url, self.name, {"Authorization": f"Bearer {token}"})

    def with_proof(self, proof: Mapping[str, str]) -> "Member":
        return Member(self._session, self.url, self.name, proof)

    async def ask(
        self,
        method: str,
        path: str,
        body: JSON | bytes | IO[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        return await super().ask(method, path, body, {**self.proof, **(headers or {})}, **query)

    def stream(
        self, path: str, last_event_id: str | None = None, headers: Mapping[str, str] | None = None, **query: Any
    ) -> AbstractAsyncContextManager[Stream]:
        return super().stream(path, last_event_id, {**self.proof, **(headers or {})}, **query)

    async def token(self, *scopes: str, **more: Any) -> str:
        """A new token of theirs."""
        answer = await self.ask("POST", "/api/auth/tokens", {"name": "t", "scopes": list(scopes), **more})
        assert answer.status == 201, answer.body
        return str(answer.json["token"])


def user_command(data_dir: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`lianhua user …`, beside a server that runs on the data directory or not."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "lianhua", "user", *words],
        env={**inherited, "LIANHUA_DATA_DIR": str(data_dir), "LIANHUA_AUTH": "accounts", **environment},
        cwd=data_dir,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def link_in(printed: str) -> str:
    return printed.strip().rpartition("#link=")[2]


def cookie_in(answer: Answer) -> dict[str, str]:
    """The header that a browser would send from now on."""
    return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}


async def accept(
    session: aiohttp.ClientSession, url: str, link: str, password: str = PASSWORD, name: str | None = None
) -> Member:
    """Uses a one-time link or an invite."""
    nobody = Member(session, url, "", {})
    body = {"link": link, "password": password} | ({"name": name} if name else {})
    answer = await nobody.ask("POST", "/api/auth/link", body)
    assert answer.status == 200, answer.body
    return Member(session, url, answer.json["name"], cookie_in(answer))


async def first_admin(session: aiohttp.ClientSession, url: str, data_dir: Path, name: str = "root") -> Member:
    made = user_command(data_dir, "add", name, "--admin")
    assert made.returncode == 0, made.stderr
    return await accept(session, url, link_in(made.stdout))


async def add(admin: Member, name: str, role: str = "user", group: str = "") -> Member:
    """A new person who has logged in."""
    answer = await admin.ask("POST", "/api/admin/users", {"name": name, "role": role, "group": group})
    assert answer.status == 201, answer.body
    return await accept(admin.connections, admin.url, answer.json["link"])


async def log_in(
    session: aiohttp.ClientSession, url: str, name: str, password: str = PASSWORD, headers: Mapping[str, str] = {}
) -> Answer:
    return await Member(session, url, name, {}).ask(
        "POST", "/api/auth/login", {"name": name, "password": password}, headers
    )


def refusal(answer: Answer) -> str:
    """What a refusal says, without the number of its request."""
    return re.sub(r'"request_id": ?"[^"]*"', "", answer.body.decode())
