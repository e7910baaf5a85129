"""Logging in and out: links, invites, sessions, passwords, tokens."""

import asyncio
import os
import re
import time
from pathlib import Path

import aiohttp
import pytest

from tests.support.client import events
from tests.support.members import PASSWORD, Member, accept, add, cookie_in, link_in, log_in, refusal, user_command
from tests.support.server_process import ServerProcess
from tests.support.waiting import until

ME = "/api/auth/me"
TRIES = int(os.environ.get("LOGIN_TRIES", "1000"))  # 10,000 of them take three minutes


async def test_the_command_makes_the_first_administrator(admin: Member) -> None:
    me = await admin.get(ME)
    assert me == {"name": "root", "role": "admin", "group": "", "scopes": ["*"]}


async def test_a_link_works_once(admin: Member, ann: Member, session: aiohttp.ClientSession) -> None:
    made = await admin.ask("POST", f"/api/admin/users/{ann.name}/link")
    link = made.json["link"]
    looked = await ann.with_proof({}).ask("POST", "/api/auth/link", {"link": link})
    assert looked.json == {"name": ann.name}
    again = await accept(session, ann.url, link, "another good pass phrase")
    assert (await again.get(ME))["name"] == ann.name
    assert (await ann.ask("GET", ME)).problem == (401, "not_authenticated")  # what was open before has ended
    used = await ann.with_proof({}).ask("POST", "/api/auth/link", {"link": link, "password": PASSWORD})
    assert used.problem == (404, "link_used")
    assert (await log_in(session, ann.url, ann.name)).problem == (401, "login_failed")
    assert (await log_in(session, ann.url, ann.name, "another good pass phrase")).status == 204


async def test_an_invite_is_for_one_person_of_its_role_and_group(admin: Member, session: aiohttp.ClientSession) -> None:
    await admin.ask("PUT", "/api/admin/groups/physics", {"models": ["demo"], "temporary_only": True})
    link = (await admin.ask("POST", "/api/admin/invites", {"group": "physics"})).json["link"]
    taken = await admin.with_proof({}).ask(
        "POST", "/api/auth/link", {"link": link, "name": "root", "password": PASSWORD}
    )
    assert taken.problem == (409, "name_taken")
    invited = await accept(session, admin.url, link, name="Ines")
    assert await invited.get(ME) == {"name": "ines", "role": "user", "group": "physics", "scopes": ["*"]}
    second = await admin.with_proof({}).ask(
        "POST", "/api/auth/link", {"link": link, "name": "nina", "password": PASSWORD}
    )
    assert second.problem == (404, "link_used")
    assert (await admin.ask("DELETE", "/api/admin/groups/physics")).problem == (422, "invalid_request")


async def test_two_who_accept_one_invite_at_once_are_one(admin: Member) -> None:
    link = (await admin.ask("POST", "/api/admin/invites", {})).json["link"]
    nobody = admin.with_proof({})
    answers = await asyncio.gather(
        *(
            nobody.ask("POST", "/api/auth/link", {"link": link, "name": f"twin-{n}", "password": PASSWORD})
            for n in range(4)
        )
    )
    assert sorted(answer.status for answer in answers) == [200, 404, 404, 404]


async def test_the_cookie_is_for_this_server_alone(admin: Member, session: aiohttp.ClientSession) -> None:
    answer = await log_in(session, admin.url, "root")
    name, _, rest = answer.headers["Set-Cookie"].partition("=")
    assert name == "lianhua"
    parts = {part.strip().lower() for part in rest.split(";")[1:]}
    assert parts == {"path=/", "max-age=2592000", "httponly", "samesite=lax"}


async def test_a_login_never_takes_a_session_that_was_there(admin: Member, session: aiohttp.ClientSession) -> None:
    planted = {"Cookie": f"lianhua=cm9vdA.{'A' * 43}"}
    answer = await log_in(session, admin.url, "root", headers=planted)
    assert cookie_in(answer) != planted
    assert (await admin.with_proof(planted).ask("GET", ME)).problem == (401, "not_authenticated")
    again = await log_in(session, admin.url, "root", headers=cookie_in(answer))
    assert (await admin.with_proof(cookie_in(answer)).ask("GET", ME)).problem == (401, "not_authenticated")
    assert (await admin.with_proof(cookie_in(again)).ask("GET", ME)).status == 200


async def test_sessions_are_listed_and_can_be_ended(ann: Member, session: aiohttp.ClientSession) -> None:
    other = ann.with_proof(cookie_in(await log_in(session, ann.url, ann.name, headers={"User-Agent": "Phone/1"})))
    listed = (await ann.get("/api/auth/sessions"))["sessions"]
    assert sorted((one["agent"].startswith("Phone/1"), one["current"]) for one in listed) == [
        (False, True),
        (True, False),
    ]
    phone = next(one["id"] for one in listed if not one["current"])
    assert (await ann.ask("DELETE", f"/api/auth/sessions/{phone}")).status == 204
    assert (await other.ask("GET", ME)).problem == (401, "not_authenticated")
    assert (await ann.ask("DELETE", f"/api/auth/sessions/{phone}")).problem == (404, "not_found")


async def test_a_new_password_ends_every_session_but_the_callers(ann: Member, session: aiohttp.ClientSession) -> None:
    other = ann.with_proof(cookie_in(await log_in(session, ann.url, ann.name)))
    wrong = await ann.ask("POST", "/api/auth/password", {"old": "not that one at all", "new": "entirely new words"})
    assert wrong.problem == (401, "login_failed")
    changed = await ann.ask("POST", "/api/auth/password", {"old": PASSWORD, "new": "entirely new words"})
    assert changed.status == 204
    for ended in (ann, other):
        assert (await ended.ask("GET", ME)).problem == (401, "not_authenticated")
    assert (await ann.with_proof(cookie_in(changed)).ask("GET", ME)).status == 200


async def test_logging_out_ends_the_session_and_takes_the_cookie(ann: Member) -> None:
    answer = await ann.ask("POST", "/api/auth/logout")
    assert "lianhua=;" in answer.headers["Set-Cookie"]
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert (await ann.ask("GET", ME)).problem == (401, "not_authenticated")
    assert (await ann.ask("POST", "/api/auth/logout")).status == 204


@pytest.mark.parametrize(
    "password", ["short", "password1234", "PasswordPassword", "123456789012", "qwertyuiop123", "a" * 257]
)
async def test_weak_passwords_are_refused(admin: Member, ann: Member, password: str) -> None:
    link = (await admin.ask("POST", f"/api/admin/users/{ann.name}/link")).json["link"]
    answer = await ann.ask("POST", "/api/auth/link", {"link": link, "password": password})
    assert answer.status == 422
    assert (await ann.ask("POST", "/api/auth/link", {"link": link})).status == 200  # it is not used up by that


async def test_an_unknown_name_and_a_disabled_one_answer_as_a_wrong_password(
    admin: Member, ann: Member, session: aiohttp.ClientSession
) -> None:
    await admin.ask("PATCH", f"/api/admin/users/{ann.name}", {"state": "disabled"})
    wrong = await log_in(session, admin.url, "root", "not that one at all")
    unknown = await log_in(session, admin.url, "nobody-of-that-name")
    disabled = await log_in(session, admin.url, ann.name)
    strange = await log_in(session, admin.url, "no name: 无")
    assert wrong.problem == (401, "login_failed")
    assert len({refusal(one) for one in (wrong, unknown, disabled, strange)}) == 1


async def test_an_unknown_name_takes_as_long_as_a_wrong_password(admin: Member, session: aiohttp.ClientSession) -> None:
    took: dict[str, list[float]] = {"root": [], "nobody-of-that-name": []}
    for _ in range(15):
        for name, times in took.items():
            began = time.perf_counter()
            await log_in(session, admin.url, name, "not that one at all")
            times.append(time.perf_counter() - began)
    known, unknown = (sorted(times)[len(times) // 2] for times in took.values())
    assert 1 / 3 < known / unknown < 3  # without the hash it would be a tenth


async def test_a_flood_of_logins_is_bounded_and_others_go_on(
    admin: Member, ann: Member, session: aiohttp.ClientSession
) -> None:
    statuses: list[int] = []

    async def try_once() -> None:
        statuses.append((await log_in(session, admin.url, "root", "not that one at all")).status)

    async def try_often(count: int) -> None:
        for _ in range(count):
            await try_once()

    flood = [asyncio.create_task(try_often(TRIES // 100)) for _ in range(100)]
    await until(lambda: 503 in statuses)
    assert (await ann.get(ME))["name"] == ann.name
    shown = await ann.say(await ann.create(), "hello")
    assert shown.end["status"] == "done"
    await asyncio.gather(*flood)
    assert len(statuses) == TRIES
    assert set(statuses) <= {401, 429, 503}
    assert (await log_in(session, admin.url, "root")).status == 204


async def test_a_token_is_shown_once_and_works_without_a_cookie(ann: Member) -> None:
    made = (await ann.ask("POST", "/api/auth/tokens", {"name": "script", "scopes": ["chat"], "days": 7})).json
    assert re.fullmatch(r"lh_[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}", made["token"])
    listed = await ann.get("/api/auth/tokens")
    assert made["token"] not in str(listed)
    assert listed["tokens"][0]["last_used_at"] is None
    script = ann.with_token(made["token"])
    shown = await script.say(await script.create(), "hello")
    assert shown.end["status"] == "done"
    assert (await ann.get("/api/auth/tokens"))["tokens"][0]["last_used_at"]
    assert (await ann.ask("DELETE", f"/api/auth/tokens/{made['id']}")).status == 204
    assert (await script.ask("GET", ME)).problem == (401, "not_authenticated")


async def test_over_an_authorization_the_cookie_does_not_count(ann: Member, ben: Member) -> None:
    token = await ann.token("read")
    both = await ben.ask("GET", ME, headers={"Authorization": f"Bearer {token}"})
    assert both.json["name"] == ann.name
    for wrong in ("Bearer lh_AAAA.x", "Bearer", "Basic YTpi", "", f"Bearer {token}x"):
        assert (await ben.ask("GET", ME, headers={"Authorization": wrong})).problem == (401, "not_authenticated")


async def test_a_token_needs_no_look_at_the_site(ann: Member) -> None:
    script = ann.with_token(await ann.token("chat"))
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"}
    assert (await script.ask("POST", "/api/conversations", {}, elsewhere)).status == 201


async def test_a_token_in_an_address_is_refused_and_not_logged(ann: Member, accounts_server: ServerProcess) -> None:
    token = await ann.token("chat")
    for path in (
        f"/api/conversations?access_token={token}",
        f"/api/conversations?access_token={token.replace('_', '%5F')}",
        f"/api/conversations/{token}",
        f"/chat/history/{token}",
        f"/{token}",
    ):
        assert (await ann.ask("GET", path)).problem == (422, "invalid_request"), path
    assert token not in accounts_server.log
    assert token.partition(".")[2] not in accounts_server.log


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://evil.127.0.0.1.nip.io"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
    ],
)
async def test_no_other_site_and_no_sibling_changes_anything(ann: Member, headers: dict[str, str]) -> None:
    for method, path, body in (
        ("POST", "/api/conversations", {}),
        ("POST", "/api/auth/login", {"name": ann.name, "password": PASSWORD}),
        ("POST", "/api/auth/logout", None),
        ("POST", "/api/auth/tokens", {"name": "t", "scopes": ["chat"]}),
        ("POST", "/api/auth/password", {"old": PASSWORD, "new": "entirely new words"}),
    ):
        assert (await ann.ask(method, path, body, headers)).problem == (403, "cross_site")
    assert (await ann.get(ME))["name"] == ann.name


async def test_the_tutorials_routes_work_with_a_login_and_refuse_another_name(ann: Member, ben: Member) -> None:
    started = await ann.ask("POST", "/chat/start")
    conversation = started.json["session_id"]
    frames = await ann.read("/chat/stream", session_id=conversation, message="hello")
    assert frames[-1].data["status"] == "done"
    assert (await ann.get("/chat/history", session_id=conversation, user_id=ann.name))["total"] == 2
    for path in (
        f"/chat/history?session_id={conversation}&user_id={ben.name}",
        f"/chat/history?session_id={conversation}&user_id={ann.name}&user_id={ben.name}",
        f"/chat/history?session_id={conversation}&user%5Fid={ben.name}",
        f"/chat/stream?session_id={conversation}&message=x&user_id={ben.name}",
    ):
        assert (await ann.ask("GET", path)).problem == (403, "forbidden"), path
    assert (await ann.ask("POST", f"/chat/start?user_id={ben.name}")).problem == (403, "forbidden")


async def test_an_administrator_stays(admin: Member) -> None:
    for method, body in (("PATCH", {"role": "user"}), ("PATCH", {"state": "disabled"}), ("DELETE", None)):
        assert (await admin.ask(method, "/api/admin/users/root", body)).problem == (403, "forbidden")


async def test_an_open_stream_ends_with_the_login(admin: Member, ann: Member) -> None:
    conversation = await ann.create()
    turn = await ann.begin(conversation, "[long]")
    async with ann.stream(events(conversation, turn)) as stream, ann.stream("/api/events") as feed:
        await stream.until(lambda frames: len(frames) > 3)
        await admin.ask("PATCH", f"/api/admin/users/{ann.name}", {"state": "disabled"})
        began = time.monotonic()
        async for _ in stream:
            pass
        async for _ in feed:
            pass
        assert time.monotonic() - began < 30
    assert (await ann.ask("GET", ME)).problem == (401, "not_authenticated")
    await admin.ask("PATCH", f"/api/admin/users/{ann.name}", {"state": "active"})


async def test_usage_is_shown_by_person_and_no_text_with_it(admin: Member, ann: Member) -> None:
    await ann.say(await ann.create(title="a very private title"), "hello")

    async def counted() -> bool:
        report = await admin.get("/api/admin/usage")
        return any(row["name"] == ann.name and row["turns"] == 1 for row in report["users"])

    await until(counted)
    assert "private" not in str(await admin.get("/api/admin/users"))


async def test_the_command_lists_disables_and_enables(
    admin: Member, ann: Member, accounts_dir: Path, session: aiohttp.ClientSession
) -> None:
    assert f"{ann.name}\tuser\tactive" in user_command(accounts_dir, "list").stdout
    assert user_command(accounts_dir, "disable", ann.name).returncode == 0
    await until(lambda: _is_out(ann))
    assert user_command(accounts_dir, "enable", ann.name).returncode == 0
    link = link_in(user_command(accounts_dir, "link", ann.name).stdout)
    assert (await (await accept(session, ann.url, link)).get(ME))["name"] == ann.name
    unknown = user_command(accounts_dir, "disable", "nobody-of-that-name")
    assert (unknown.returncode, "user_not_found" in unknown.stdout + unknown.stderr) == (1, True)
    assert user_command(accounts_dir, "add", ann.name).returncode == 1


async def _is_out(member: Member) -> bool:
    return (await member.ask("GET", ME)).status == 401


async def test_a_demotion_ends_what_was_open(admin: Member) -> None:
    second = await add(admin, "second-admin", "admin")
    assert (await second.ask("GET", "/api/admin/users")).status == 200
    token = second.with_token(await second.token("admin"))
    assert (await token.ask("GET", "/api/admin/users")).status == 200
    await admin.ask("PATCH", "/api/admin/users/second-admin", {"role": "user"})
    assert (await second.ask("GET", "/api/admin/users")).problem == (401, "not_authenticated")
    assert (await token.ask("GET", "/api/admin/users")).problem == (403, "forbidden")
