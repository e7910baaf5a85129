"""Who is asking where there are no accounts."""

import re

import pytest

from lianhua.auth.identity import UNLIMITED, USER_ID_PATTERN, Identity, OpenMode, cookie_name

COOKIE = "VZsAL3ebRbJDfOKp6D7CwA"


def test_a_named_user_goes_before_the_cookie() -> None:
    assert OpenMode().identify("ann", COOKIE) == Identity("ann")


def test_a_cookie_names_its_user() -> None:
    assert OpenMode().identify(None, COOKIE) == Identity(f"~{COOKIE}")


def test_no_user_id_can_name_the_user_of_a_cookie() -> None:
    assert not re.fullmatch(USER_ID_PATTERN, f"~{COOKIE}")


@pytest.mark.parametrize("cookie", ["", COOKIE[1:], f"{COOKIE}A", f"{COOKIE}\n", f"~{COOKIE[1:]}", "ann"])
def test_a_cookie_of_another_form_is_a_new_user(cookie: str) -> None:
    assert OpenMode().identify(None, cookie) is None


def test_a_new_user_is_known_again_by_the_cookie() -> None:
    visitor, other = OpenMode().welcome(), OpenMode().welcome()
    assert OpenMode().identify(None, visitor.cookie) == visitor.identity
    assert visitor.identity != other.identity


def test_without_accounts_everybody_is_an_ordinary_user() -> None:
    identity = OpenMode().welcome().identity
    assert (identity.role, identity.group, identity.scopes) == ("user", "", UNLIMITED)
    assert (identity.session_id, identity.token_id) == (None, None)


def test_servers_below_different_paths_have_a_cookie_each() -> None:
    assert len({cookie_name(path) for path in ("", "/chat", "/chat/two")}) == 3
