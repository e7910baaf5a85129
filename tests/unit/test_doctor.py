"""What `lianhua doctor` says of settings for a proxy."""

import socket
from pathlib import Path

import pytest

from lianhua.doctor import proxy_settings
from lianhua.settings import load_settings


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
