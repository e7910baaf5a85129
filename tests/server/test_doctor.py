"""What `lianhua doctor` says of settings for a proxy."""

import socket
from pathlib import Path

import pytest

from lianhua.config.settings import load_settings
from lianhua.errors import ModelUnavailable
from lianhua.models.openai.errors import Complaint, fault_of_status
from lianhua.server.doctor import advice, proxy_settings


@pytest.mark.parametrize(
    ("environ", "fine", "words"),
    [
        ({}, True, ["LIANHUA_ALLOWED_ORIGINS", "LIANHUA_TRUSTED_PROXIES", "docs/proxies.md"]),
        ({"LIANHUA_TRUSTED_PROXIES": "127.0.0.1"}, False, ["127.0.0.1", "LIANHUA_ALLOWED_ORIGINS"]),
        ({"LIANHUA_TRUSTED_PROXIES": "0.0.0.0/0"}, False, ["everybody"]),
        ({"LIANHUA_TRUSTED_PROXIES": "10.0.0.0/8, ::/0", "LIANHUA_HOST": "0.0.0.0"}, False, ["everybody"]),
        (
            {"LIANHUA_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8", "LIANHUA_ALLOWED_ORIGINS": "https://chat.example.org",
             "LIANHUA_BASE_PATH": "/chat"},
            True, ["127.0.0.1/32, 10.0.0.0/8", "localhost, 127.0.0.1, chat.example.org", "/chat/"],
        ),
        ({"LIANHUA_TRUSTED_PROXIES": "10.0.0.7", "LIANHUA_HOST": "0.0.0.0"}, True,
         ["10.0.0.7", "localhost, IP addresses", socket.gethostname().lower()]),
        ({"LIANHUA_HOST": "0.0.0.0"}, True, ["answers to localhost, IP addresses", "set LIANHUA_ALLOWED_ORIGINS"]),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_set_for_a_proxy_is_said_and_what_is_missing(
    environ: dict[str, str], fine: bool, words: list[str]
) -> None:
    finding = proxy_settings(load_settings(environ, Path("/nonexistent/.env")))
    assert finding.fine is fine
    assert [word for word in words if word not in finding.text] == []


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (301, ["redirects are not followed", "OPENAI_BASE_URL"]),
        (308, ["redirects are not followed", "https://"]),
        (401, ["OPENAI_API_KEY"]),
        (402, ["credit"]),
        (403, ["rights"]),
        (404, ["/v1", "OPENAI_MODEL"]),
        (405, ["/v1"]),
    ],
)
def test_a_refusal_of_the_models_server_is_said_with_its_status_and_what_to_do(status: int, words: list[str]) -> None:
    error = fault_of_status(status, Complaint()).error
    assert str(error) == f"status {status}"
    assert [word for word in words if word not in advice(error)] == []


def test_what_passes_by_itself_needs_no_advice() -> None:
    assert not any(advice(fault_of_status(status, Complaint()).error) for status in (429, 500, 503))
    assert "SSL_CERT_FILE" in advice(ModelUnavailable("its certificate is not believed: self-signed certificate"))
