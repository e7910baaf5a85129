"""How the built page is sent: small, compressed, for ever where its name says so."""

import gzip
import http.client
import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from lianhua.api.middleware.headers import CONTENT_SECURITY_POLICY
from tests.support.browser.talk import Talk

FIRST_LOAD_BYTES = 31_500  # everything that an empty cache fetches before the page stands, compressed


def fetch(url: str, path: str, encoding: str = "gzip", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    """One answer, its body as it came over the wire."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    try:
        connection.request("GET", path, headers={"Accept-Encoding": encoding, **headers})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def assets_of(html: str) -> list[str]:
    """The files that a page at the server's root asks for; none by an address that would be another one elsewhere."""
    found = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert all(address.startswith("./") for address in found), found
    return [address.removeprefix(".") for address in found]


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_is_asked_for_again_and_its_assets_never(scripted_url: str, path: str) -> None:
    page, body = fetch(scripted_url, path)
    assert (page.status, page.getheader("Cache-Control")) == (200, "no-cache")
    assert page.getheader("Content-Encoding") == "gzip"
    html = gzip.decompress(body).decode()
    assets = assets_of(html)
    assert {asset.rpartition(".")[2] for asset in assets} == {"js", "css", "svg"}
    for asset in assets:
        assert re.fullmatch(r"/assets/[\w-]+-[\w-]{8}\.(js|css|svg)", asset)
        plain, content = fetch(scripted_url, asset, "identity")
        assert plain.getheader("Content-Encoding") is None
        for encoding in ("gzip", "br"):
            response, compressed = fetch(scripted_url, asset, encoding)
            assert response.status == 200
            assert response.getheader("Content-Encoding") == encoding
            assert "immutable" in (response.getheader("Cache-Control") or "")
            assert len(compressed) < len(content)
        assert gzip.decompress(fetch(scripted_url, asset)[1]) == content


def test_a_page_that_is_known_is_not_sent_again(scripted_url: str) -> None:
    first, _ = fetch(scripted_url, "/")
    again, body = fetch(scripted_url, "/", **{"If-None-Match": first.getheader("ETag") or ""})
    assert (again.status, body) == (304, b"")


def test_the_first_load_is_small(scripted_url: str) -> None:
    _, html = fetch(scripted_url, "/")
    sizes = {asset: len(fetch(scripted_url, asset)[1]) for asset in assets_of(gzip.decompress(html).decode())}
    assert len(html) + sum(sizes.values()) <= FIRST_LOAD_BYTES, sizes


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_holds_no_script_and_no_style_of_its_own(scripted_url: str, path: str) -> None:
    html = fetch(scripted_url, path, "identity")[1].decode()
    assert re.findall(r"<script[^>]*>([^<]+)</script>", html) == []
    assert "<style" not in html
    assert not re.search(r"\son\w+=|\sstyle=|javascript:", html)


def test_only_the_documentation_has_a_policy_of_its_own(scripted_url: str) -> None:
    page, _ = fetch(scripted_url, "/")
    assert page.getheader("Content-Security-Policy") == CONTENT_SECURITY_POLICY
    docs = fetch(scripted_url, "/docs")[0].getheader("Content-Security-Policy") or ""
    assert docs.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in docs + CONTENT_SECURITY_POLICY


@pytest.mark.parametrize(
    "path", ["/assets/", "/assets/none.js", "/assets/../index.html", "/favicon.svg", "/licenses.md"]
)
def test_nothing_else_is_served(scripted_url: str, path: str) -> None:
    assert fetch(scripted_url, path)[0].status == 404


def test_an_empty_page_fetches_nothing_that_can_wait(talk: Talk) -> None:
    asked: list[str] = []
    talk.page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    talk.reload()
    expect(talk.page.locator(".banner")).to_have_text("The answers come from a script, for tests only.")
    # What is drawn asks for its parts by the next frame.
    talk.page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    scripts = [re.sub(r"-[\w-]{8}\.", ".", path) for path in asked if path.endswith((".js", ".css"))]
    assert sorted(scripts) == ["/assets/index.css", "/assets/index.js"]
