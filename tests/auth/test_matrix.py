"""Every route against everybody who may not: the same 401, 403 or 404, whatever is there.

The rows are held against the application's own table of routes, so a new route without a row fails here.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from msgspec import Struct
from redis import Redis

from lianhua.api.app import route_table
from lianhua.store.embedded.server import EmbeddedServer
from tests.support.client import Answer
from tests.support.members import Member, add, cookie_in, log_in, refusal
from tests.support.waiting import until

# public: without a login · own: only the data of the caller, no foreign id fits in · chat: names something of a person
# · account: a login's own matters, not for tokens · me: any login · admin
Kind = Literal["public", "own", "chat", "account", "me", "admin"]


class Row(Struct, frozen=True):
    kind: Kind
    query: str = ""
    body: Mapping[str, Any] | None = None


_NEW: Final = {"message": "hello"}
_STREAM: Final = "session_id={conversation}&message=hello"
_HISTORY: Final = "session_id={conversation}"
_PERSONA: Final = {"name": "n", "prompt": "p"}
_BARE: Final = {
    ("POST", "/chat/start"): Row("own"),
    ("GET", "/chat/stream"): Row("chat", _STREAM),
    ("GET", "/chat/history"): Row("chat", _HISTORY),
    ("DELETE", "/chat/history/{session_id}"): Row("chat"),
    ("GET", "/roles"): Row("own"),
}
_ONE: Final = "/api/conversations/{conversation_id}"
ROWS: Final = {
    **_BARE,
    **{(method, f"/api{path}"): row for (method, path), row in _BARE.items()},
    ("POST", f"{_ONE}/turns"): Row("chat", body=_NEW),
    ("GET", f"{_ONE}/turns/{{turn_id}}/events"): Row("chat"),
    ("GET", f"{_ONE}/turns/{{turn_id}}"): Row("chat"),
    ("POST", f"{_ONE}/turns/{{turn_id}}/stop"): Row("chat"),
    ("GET", f"{_ONE}/messages"): Row("chat"),
    ("PATCH", f"{_ONE}/messages/{{message_id}}"): Row("chat", body={"pinned": True}),
    ("PATCH", f"{_ONE}/branch"): Row("chat", body={"message_id": "x"}),
    ("GET", _ONE): Row("chat"),
    ("PATCH", _ONE): Row("chat", body={"title": "mine now"}),
    ("DELETE", _ONE): Row("chat"),
    ("GET", f"{_ONE}/export"): Row("chat"),
    ("GET", "/api/conversations"): Row("own"),
    ("POST", "/api/conversations"): Row("own", body={}),
    ("GET", "/api/events"): Row("own"),
    ("GET", "/api/models"): Row("own"),
    ("POST", "/api/models/download"): Row("admin"),
    ("DELETE", "/api/models/download"): Row("admin"),
    ("GET", "/api/personas"): Row("own"),
    ("POST", "/api/personas"): Row("own", body=_PERSONA),
    ("GET", "/api/personas/{persona_id}"): Row("chat"),
    ("PATCH", "/api/personas/{persona_id}"): Row("chat", body={"name": "mine now"}),
    ("DELETE", "/api/personas/{persona_id}"): Row("chat"),
    ("GET", "/api/settings"): Row("own"),
    ("PATCH", "/api/settings"): Row("own", body={"language": "en"}),
    ("GET", "/api/start"): Row("own"),
    ("GET", "/api/usage"): Row("own"),
    ("GET", "/api/export"): Row("own"),
    ("POST", "/api/import"): Row("own", body={}),
    ("POST", "/api/auth/login"): Row("public"),
    ("POST", "/api/auth/logout"): Row("public"),
    ("POST", "/api/auth/link"): Row("public"),
    ("GET", "/api/auth/oidc/providers"): Row("public"),
    ("GET", "/api/auth/oidc/{provider}/start"): Row("public"),
    ("GET", "/api/auth/oidc/{provider}/callback"): Row("public"),
    ("POST", "/api/auth/oidc/{provider}/logout"): Row("public"),
    ("GET", "/api/auth/me"): Row("me"),
    ("POST", "/api/auth/password"): Row("account", body={"old": "x", "new": "y"}),
    ("GET", "/api/auth/sessions"): Row("account"),
    ("DELETE", "/api/auth/sessions/{session_id}"): Row("account"),
    ("GET", "/api/auth/tokens"): Row("account"),
    ("POST", "/api/auth/tokens"): Row("account", body={"name": "t", "scopes": ["admin"]}),
    ("DELETE", "/api/auth/tokens/{token_id}"): Row("account"),
    ("GET", "/api/admin/users"): Row("admin"),
    ("POST", "/api/admin/users"): Row("admin", body={"name": "mallory", "role": "admin"}),
    ("PATCH", "/api/admin/users/{name}"): Row("admin", body={"role": "admin"}),
    ("DELETE", "/api/admin/users/{name}"): Row("admin"),
    ("POST", "/api/admin/users/{name}/link"): Row("admin"),
    ("GET", "/api/admin/invites"): Row("admin"),
    ("POST", "/api/admin/invites"): Row("admin", body={"role": "admin"}),
    ("DELETE", "/api/admin/invites/{invite_id}"): Row("admin"),
    ("GET", "/api/admin/groups"): Row("admin"),
    ("PUT", "/api/admin/groups/{name}"): Row("admin", body={}),
    ("DELETE", "/api/admin/groups/{name}"): Row("admin"),
    ("GET", "/api/admin/usage"): Row("admin"),
    **{
        ("GET", path): Row("public")
        for path in ("/healthz", "/readyz", "/", "/assets/{name:path}", "/docs")
    },
}  # fmt: skip
_SAFE: Final = ("GET",)
_STARTS: Final = ("/chat/stream", "/api/chat/stream")


class Things(Struct, frozen=True):
    """What a person has, by the names that the paths have for it; and the same of nothing that exists."""

    conversation: str
    turn: str
    message: str
    persona: str
    session: str
    token: str
    user: str

    def fill(self, text: str) -> str:
        return text.format_map(
            {
                "conversation": self.conversation,
                "conversation_id": self.conversation,
                "turn_id": self.turn,
                "message_id": self.message,
                "persona_id": self.persona,
                "session_id": self.session if "auth" in text else self.conversation,
                "token_id": self.token,
                "invite_id": self.token,
                "name": self.user,
            }
        )


NOTHING: Final = Things(
    str(uuid.uuid4()), "0" * 32, "none", f"own-{uuid.uuid4()}", "0" * 16, "0" * 16, "nobody-of-that-name"
)


def rows(*kinds: Kind) -> Iterator[tuple[str, str, Row]]:
    return ((method, path, row) for (method, path), row in ROWS.items() if row.kind in kinds)


async def call(who: Member, method: str, path: str, row: Row, things: Things) -> Answer:
    query = f"?{things.fill(row.query)}" if row.query else ""
    return await who.ask(method, things.fill(path) + query, row.body)


async def things_of(member: Member) -> Things:
    conversation = await member.create(title="private")
    turn = await member.begin(conversation, "hello")
    await until(lambda: member.is_over(conversation, turn))
    persona = await member.ask("POST", "/api/personas", _PERSONA)
    assert persona.status == 201, persona.body
    session = (await member.get("/api/auth/sessions"))["sessions"][0]["id"]
    token = (await member.ask("POST", "/api/auth/tokens", {"name": "t", "scopes": ["chat"]})).json["id"]
    message = (await member.messages(conversation))[0]["id"]
    return Things(conversation, turn, message, persona.json["id"], session, token, member.name)


@pytest.fixture
async def outsiders(admin: Member, ann: Member, accounts_dir: Path) -> dict[str, Member]:
    """Everybody who is not let in at all, by why."""
    disabled = await add(admin, f"{ann.name}-disabled")
    disabled_token = disabled.with_token(await disabled.token("chat", "read"))
    await admin.ask("PATCH", f"/api/admin/users/{disabled.name}", {"state": "disabled"})
    made = (await ann.ask("POST", "/api/auth/tokens", {"name": "gone", "scopes": ["chat"]})).json
    await ann.ask("DELETE", f"/api/auth/tokens/{made['id']}")
    ended, idle = [
        cookie_in(await log_in(ann.connections, ann.url, ann.name)) for _ in range(2)
    ]  # nobody has seen them yet
    with Redis(unix_socket_path=str(EmbeddedServer(accounts_dir).socket)) as redis:
        _change(redis, ann.name, ended, expires_at=1)
        _change(redis, ann.name, idle, seen_at=1)
    return {
        "no login": ann.with_proof({}),
        "disabled user": disabled,
        "disabled user's token": disabled_token,
        "expired session": ann.with_proof(ended),
        "idle session": ann.with_proof(idle),
        "revoked token": ann.with_token(made["token"]),
        "a cookie of open mode": ann.with_proof({"Cookie": "lianhua_uid=AAAAAAAAAAAAAAAAAAAAAA"}),
        "another's name before one's own secret": ann.with_proof(
            {"Cookie": f"lianhua=cm9vdA.{ann.proof['Cookie'].rpartition('.')[2]}"}
        ),
    }


def _change(redis: "Redis", name: str, cookie: dict[str, str], **fields: int) -> None:
    digest = hashlib.sha256(cookie["Cookie"].partition("=")[2].encode()).hexdigest()
    key, field = f"lianhua:{{user:{name}}}:account", f"s:{digest}"
    kept: Any = redis.hget(key, field)
    redis.hset(key, field, json.dumps(json.loads(kept) | fields))


def test_every_route_has_a_row() -> None:
    assert {*route_table()} == {*ROWS}


async def test_who_is_not_let_in_gets_the_same_401_everywhere(ann: Member, outsiders: dict[str, Member]) -> None:
    things = await things_of(ann)
    seen: dict[str, list[str]] = {}
    for why, member in outsiders.items():
        for method, path, row in rows("own", "chat", "account", "me", "admin"):
            for which in (things, NOTHING):
                answer = await call(member, method, path, row, which)
                assert answer.problem == (401, "not_authenticated"), (why, method, path)
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert "Set-Cookie" not in answer.headers
                seen.setdefault(refusal(answer), []).append(f"{why}: {method} {path}")
    assert len(seen) == 1
    assert (await ann.get(f"/api/conversations/{things.conversation}"))["title"] == "private"


async def test_another_users_things_are_as_those_that_do_not_exist(admin: Member, ann: Member, ben: Member) -> None:
    await admin.ask("PUT", "/api/admin/groups/others", {})
    stranger = await add(admin, f"{ben.name}-of-others", group="others")
    things = await things_of(ann)
    token = ben.with_token(await ben.token("chat"))
    for who in (ben, stranger, token, admin):
        for method, path, row in rows("chat"):
            foreign = await call(who, method, path, row, things)
            missing = await call(who, method, path, row, NOTHING)
            assert foreign.status == 404, (who.name, method, path, foreign.body)
            assert (refusal(foreign), {*foreign.headers}) == (refusal(missing), {*missing.headers}), (method, path)
    for path in (f"/api/auth/sessions/{things.session}", f"/api/auth/tokens/{things.token}"):
        foreign, missing = [await ben.ask("DELETE", one) for one in (path, path[:-16] + "0" * 16)]
        assert foreign.problem == (404, "not_found")
        assert refusal(foreign) == refusal(missing)
    assert await things_still_there(ann, things)


async def things_still_there(member: Member, things: Things) -> bool:
    conversation = await member.get(f"/api/conversations/{things.conversation}")
    tokens = (await member.get("/api/auth/tokens"))["tokens"]
    return (
        (conversation["title"], conversation["message_count"]) == ("private", 2)
        and any(token["id"] == things.token for token in tokens)
        and (await member.get(f"/api/personas/{things.persona}"))["name"] == _PERSONA["name"]
    )


async def test_a_token_does_what_its_scopes_say_and_no_more(admin: Member, ann: Member) -> None:
    things = await things_of(ann)
    tokens = {scope: ann.with_token(await ann.token(scope)) for scope in ("chat", "read", "admin")}
    refused: dict[str, set[str]] = {}
    for scope, member in tokens.items():
        for method, path, row in rows("own", "chat", "account", "admin"):
            reads = method in _SAFE and path not in _STARTS
            if row.kind in ("own", "chat") and (scope == "chat" or (scope == "read" and reads)):
                continue  # that is what it is for
            for which in (things, NOTHING):
                answer = await call(member, method, path, row, which)
                assert answer.problem == (403, "forbidden"), (scope, method, path)
                refused.setdefault(scope, set()).add(refusal(answer))
        assert (await member.get("/api/auth/me"))["scopes"] == [scope]
    assert all(len(bodies) == 1 for bodies in refused.values())
    roots = admin.with_token(await admin.token("chat", "read"))
    for method, path, row in rows("admin"):
        assert (await call(roots, method, path, row, things)).problem == (403, "forbidden"), (method, path)
    assert await things_still_there(ann, things)


async def test_only_administrators_get_to_what_is_theirs(ann: Member) -> None:
    things = await things_of(ann)
    for method, path, row in rows("admin"):
        for which in (things, NOTHING):
            assert (await call(ann, method, path, row, which)).problem == (403, "forbidden"), (method, path)


async def test_without_a_login_nobody_learns_which_paths_there_are(ann: Member) -> None:
    nobody = ann.with_proof({})
    for path in ("/api/nothing", "/api/admin/nothing", "/api/auth/nothing", "/api/conversations/x/y/z"):
        assert (await nobody.ask("GET", path)).problem == (401, "not_authenticated")
    assert (await ann.ask("GET", "/api/nothing")).problem == (404, "not_found")
