"""Whose certificates are believed."""

import ssl
from pathlib import Path

import pytest

from lianhua.models.http.roots import USUAL_FILES, NoRoots, add_roots
from tests.support.models.certificate import make_certificate


def empty() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def test_what_openssl_has_found_is_enough(tmp_path: Path) -> None:
    certificate, _ = make_certificate(tmp_path)
    context = empty()
    context.load_verify_locations(certificate)
    assert add_roots(context, {}, None, ["/nonexistent"]) is None
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "0a1b2c3d.0").write_bytes(certificate.read_bytes())
    assert add_roots(empty(), {}, str(tmp_path / "folder"), ["/nonexistent"]) is None


def test_the_first_file_with_a_certificate_is_taken(tmp_path: Path) -> None:
    certificate, _ = make_certificate(tmp_path)
    (tmp_path / "empty.pem").write_text("# none\n")
    (tmp_path / "folder").mkdir()
    files = [str(tmp_path / name) for name in ("none.pem", "empty.pem", "folder")]
    context = empty()
    assert add_roots(context, {}, str(tmp_path / "folder"), [*files, str(certificate)]) == str(certificate)
    assert context.cert_store_stats()["x509"] == 1


def test_this_machines_are_among_the_usual_files() -> None:
    assert add_roots(empty(), {}, None, USUAL_FILES) in USUAL_FILES


def test_without_any_the_variable_is_named() -> None:
    with pytest.raises(NoRoots, match="set SSL_CERT_FILE to a file of them"):
        add_roots(empty(), {}, "/nonexistent", ["/nonexistent.pem"])


def test_what_the_operator_named_is_not_replaced(tmp_path: Path) -> None:
    certificate, _ = make_certificate(tmp_path)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        with pytest.raises(NoRoots, match=f"is where {name} points"):
            add_roots(empty(), {name: "/nonexistent"}, None, [str(certificate)])
