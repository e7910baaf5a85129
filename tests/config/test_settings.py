import re
from pathlib import Path

import pytest

from lianhua.config.readers import is_loopback
from lianhua.config.settings import SETTINGS, Settings, load_settings
from lianhua.errors import WrongSettings

ROOT = Path(__file__).parents[2]
NOWHERE = Path("/nonexistent/.env")


def load(**environ: str) -> Settings:
    return load_settings(environ, NOWHERE)


def test_nothing_set_is_a_server_for_this_machine_alone() -> None:
    settings = load()
    assert (settings.host, settings.port, settings.on_loopback) == ("127.0.0.1", 8000, True)
    assert (settings.openai_model, settings.store_url) == ("gpt-4o", None)
    assert (settings.context_messages, settings.retention_days, settings.retention_messages) == (20, 7, 50)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIANHUA_PORT", "eighty"),
        ("LIANHUA_PORT", "65536"),
        ("LIANHUA_RETENTION_DAYS", "-1"),
        ("LIANHUA_RETENTION_DAYS", "nan"),
        ("LIANHUA_AUTH", "none"),
        ("LIANHUA_PERSONAS", "/nonexistent.toml"),
        ("LIANHUA_ALLOW_OPEN", "maybe"),
        ("LIANHUA_ALLOWED_ORIGINS", "mine.example.net"),
        ("LIANHUA_TRUSTED_PROXIES", "*"),
        ("LIANHUA_TRUSTED_PROXIES", "proxy.example.net"),
        ("LIANHUA_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/33"),
        ("LIANHUA_BASE_PATH", "//chat"),
        ("LIANHUA_BASE_PATH", "/a//b"),
        ("LIANHUA_BASE_PATH", "/a/../b"),
        ("LIANHUA_BASE_PATH", "/a;b"),
        ("LIANHUA_BASE_PATH", "/对话"),
        ("LIANHUA_BASE_PATH", "https://chat.example.org/chat"),
        ("LIANHUA_WORKERS", "0"),
        ("OPENAI_BASE_URL", "localhost:11434"),
        ("OPENAI_BASE_URL", "http://host:abc/v1"),
        ("REDIS_URL", "http://localhost"),
        ("REDIS_URL", "redis://127.0.0.1:99999"),
        ("REDIS_URL", "redis://:pa/ss@host:6379"),
        ("REDIS_URL", "redis:///0"),
        ("LIANHUA_WORKERS", "0"),
        ("REDIS_PORT", "x"),
        ("LIANHUA_NO_SUCH", "1"),
        ("LIANHUA_RATE_LIMIT", "10"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line_without_its_value(name: str, value: str) -> None:
    with pytest.raises(WrongSettings) as refusal:
        load(**{name: value})
    line = str(refusal.value)
    assert line.startswith(f"{name}: ")
    assert "\n" not in line
    assert len(value) < 4 or value not in line


def test_the_environment_stands_above_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text('LIANHUA_PORT=9001\nOPENAI_MODEL="from file"\n# a comment\n', "utf-8")
    settings = load_settings({"LIANHUA_PORT": "9002"}, file)
    assert (settings.port, settings.openai_model) == (9002, "from file")


def test_what_was_read_is_kept_for_other_names_and_never_shown() -> None:
    settings = load(FAST_KEY="secret-1")
    assert settings.environ["FAST_KEY"] == "secret-1"
    assert "secret-1" not in repr(settings)


def test_an_empty_value_counts_as_not_set() -> None:
    assert load(LIANHUA_PORT="", OPENAI_API_KEY="").port == 8000


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({"REDIS_HOST": "store"}, "redis://store:6379/0"),
        ({"REDIS_HOST": "::1", "REDIS_PORT": "7000"}, "redis://[::1]:7000/0"),
        ({"REDIS_URL": "rediss://u:p@store/2", "REDIS_HOST": "other"}, "rediss://u:p@store/2"),
    ],
)
def test_the_tutorials_names_say_where_the_store_is(environ: dict[str, str], url: str) -> None:
    assert load(**environ).store_url == url


@pytest.mark.parametrize(
    ("written", "base_path"),
    [
        ("", ""),
        ("/", ""),
        ("/chat", "/chat"),
        ("/chat/", "/chat"),
        ("chat", "/chat"),
        ("/x/y", "/x/y"),
        ("/~a.b_c-d", "/~a.b_c-d"),
    ],
)
def test_a_base_path_begins_with_a_slash_and_ends_without(written: str, base_path: str) -> None:
    assert load(LIANHUA_BASE_PATH=written).base_path == base_path


def test_a_trusted_proxy_is_an_address_or_a_network() -> None:
    trusted = load(LIANHUA_TRUSTED_PROXIES="127.0.0.1, 10.1.2.3/8, ::1,").trusted_proxies
    assert [str(network) for network in trusted] == ["127.0.0.1/32", "10.0.0.0/8", "::1/128"]


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("localhost", True), ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("[::1]", True),
     ("0.0.0.0", False), ("::", False), ("192.168.1.4", False), ("example.org", False), ("", False)],
)  # fmt: skip
def test_what_counts_as_this_machine(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("document", [".env.example", "docs/configuration.md"])
def test_every_setting_is_documented_and_no_other(document: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    mentioned = set(re.findall(r"\b(?:LIANHUA|OPENAI|REDIS)_[A-Z_]+\b", text))
    assert mentioned == {row.env for row in SETTINGS}
