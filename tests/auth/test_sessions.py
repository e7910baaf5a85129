"""The name of the cookie, which browsers hold its path and its safety to."""

from lianhua.auth.secrets import new_secret, read_secret
from lianhua.auth.sessions import session_cookie, set_session


def test_over_tls_the_cookie_has_the_prefix_that_its_path_allows() -> None:
    assert set_session("v", "", secure=True) == (
        "__Host-lianhua=v; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax; Secure"
    )
    assert set_session("v", "/x/y", secure=True).startswith("__Secure-lianhua.x.y=v; Path=/x/y; ")
    assert session_cookie("/x", secure=False) == "lianhua.x"  # browsers take neither prefix over plain http


def test_a_secret_tells_its_holder_and_keeps_only_a_digest() -> None:
    text, secret = new_secret("ann@example.org")
    assert read_secret(text) == secret
    assert secret.holder == "ann@example.org"
    assert text.partition(".")[2] not in secret.digest
    for wrong in ("", "x", text[:-1], f"{text}x", text.replace(".", ""), f"!{text}", "__8." + "A" * 43):
        assert read_secret(wrong) is None
