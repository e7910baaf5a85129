"""Every setting, read once by whoever starts the server: the environment first, then `.env`.

`SETTINGS` is the one table: name, how it is read, default. `.env.example` and `docs/configuration.md` describe the same
names, and a test holds the three together.
"""

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values

from lianhua.config.store_url import parse_address
from lianhua.errors import WrongSettings

PREFIX = "LIANHUA_"


@dataclass(frozen=True)
class Settings:
    """What the operator chose. Times are seconds, sizes characters, tokens or bytes as the name says."""

    openai_api_key: str | None = field(repr=False)
    openai_base_url: str | None
    openai_model: str
    redis_url: str | None = field(repr=False)
    redis_host: str | None
    redis_port: int
    data_dir: Path
    store_mb: int | None
    host: str
    port: int
    workers: int
    auth: str
    allow_open: bool
    allow_open_store: bool
    durability: Literal["normal", "strict"]
    on_worker_loss: Literal["interrupt", "continue"]
    allowed_origins: tuple[str, ...]
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    base_path: str  # "" or like "/chat"
    personas: Path | None
    models: str | None
    local_model: Path | None
    script: Path | None
    discovery: bool
    model_proxy: Literal["environment", "off"]
    context_messages: int
    context_tokens: int | None
    reply_tokens: int | None
    message_chars: int
    reply_chars: int
    retention_days: float
    retention_messages: int
    import_mb: int
    titles: Literal["model", "message"]
    connect_timeout_s: float
    first_byte_timeout_s: float
    delta_timeout_s: float
    reply_timeout_s: float
    retry_timeout_s: float
    prices: Mapping[str, tuple[Decimal, Decimal]]  # of a million tokens in a prompt and in a reply
    currency: str
    log_level: str
    # Everything that was read, for names that another file gives (`api_key_env`). It holds keys: never shown.
    environ: Mapping[str, str] = field(repr=False, default_factory=dict)

    @property
    def store_url(self) -> str | None:
        """Where the store is; None means the embedded one."""
        if self.redis_url:
            return self.redis_url
        if self.redis_host:
            host = f"[{self.redis_host}]" if ":" in self.redis_host else self.redis_host
            return f"redis://{host}:{self.redis_port}/0"
        return None

    @property
    def store_bytes(self) -> int | None:
        """What the embedded store may take; None: a share of the machine's memory."""
        return self.store_mb * 1024 * 1024 if self.store_mb else None

    @property
    def names_a_model(self) -> bool:
        """Whether any setting says which model answers; else one is looked for."""
        named = (self.script, self.models, self.local_model, self.openai_api_key, self.openai_base_url)
        return any(setting is not None for setting in named)

    @property
    def import_bytes(self) -> int:
        """The largest file that can be imported."""
        return self.import_mb * 1024 * 1024

    @property
    def on_loopback(self) -> bool:
        """Whether nobody but this machine can reach the server."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """True for `localhost` and for an address of the loopback range; a name is not looked up."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _text(value: str) -> str:
    return value


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        number = int(value)
        if not low <= number <= high:
            raise ValueError
        return number

    read.__doc__ = f"a whole number from {low} to {high}" if low < high else f"{low}: this version knows no other"
    return read


def _number(low: float, high: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        number = float(value)
        if not (math.isfinite(number) and low <= number <= high):
            raise ValueError
        return number

    read.__doc__ = f"a number from {low:g} to {high:g}"
    return read


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in choices:
            raise ValueError
        return value

    read.__doc__ = "one of: " + ", ".join(choices)
    return read


def _yes_or_no(value: str) -> bool:
    """1 or 0"""
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[value.lower()]


def _file(value: str) -> Path:
    """a file that can be read"""
    path = Path(value).expanduser()
    if not path.is_file():
        raise ValueError
    return path


def _folder(value: str) -> Path:
    return Path(value).expanduser().absolute()


def _web_url(value: str) -> str:
    """an address that starts with http:// or https://"""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError
    return value.rstrip("/")


def _store_url(value: str) -> str:
    """redis://, rediss:// or unix://…, redis+sentinel://host,host/name or redis+cluster://host,host (see the docs)"""
    parse_address(value)
    return value


def _origins(value: str) -> tuple[str, ...]:
    """origins such as https://chat.example.org, separated by commas"""
    origins = tuple(part.strip() for part in value.split(",") if part.strip())
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query:
            raise ValueError
    return origins


def _networks(value: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """addresses or networks such as 127.0.0.1 or 10.0.0.0/8, separated by commas"""
    return tuple(ip_network(part.strip(), strict=False) for part in value.split(",") if part.strip())


# Unreserved characters (RFC 3986, 2.3) in whole segments: nothing that a proxy, a cookie or a browser reads otherwise.
_BASE_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]{1,100}){1,20}")


def clean_base_path(value: str) -> str:
    """a path such as /chat, of letters, digits and . _ ~ -"""
    path = "/" + value.strip("/") if value.strip("/") else ""
    if path and (value.startswith("//") or not _BASE_PATH.fullmatch(path)):
        raise ValueError
    return path


_PRICE = re.compile(r"[0-9]{1,7}(?:\.[0-9]{1,9})?")


def _prices(value: str) -> Mapping[str, tuple[Decimal, Decimal]]:
    """model=in/out, separated by commas: the price of a million tokens of prompts and of replies, as gpt-4o=2.5/10"""
    prices: dict[str, tuple[Decimal, Decimal]] = {}
    for part in value.split(","):
        model, _, pair = part.rpartition("=")  # a model's id may hold the sign too
        prompt, _, completion = (text.strip() for text in pair.partition("/"))
        if not (model.strip() and _PRICE.fullmatch(prompt) and _PRICE.fullmatch(completion)):
            raise ValueError
        if model.strip() in prices:
            raise ValueError
        prices[model.strip()] = Decimal(prompt), Decimal(completion)
    return prices


def _currency(value: str) -> str:
    """a currency in three capital letters, such as USD or CNY"""
    if not re.fullmatch(r"[A-Z]{3}", value):
        raise ValueError
    return value


@dataclass(frozen=True)
class Setting:
    """One row of the table. The docstring of `read` says what it takes."""

    field: str
    env: str
    read: Callable[[str], Any]
    default: Callable[[Mapping[str, str]], Any]


def _row(env: str, read: Callable[[str], Any], default: Any = None) -> Setting:
    return Setting(env.removeprefix(PREFIX).lower(), env, read, default if callable(default) else lambda _env: default)


def _default_data_dir(env: Mapping[str, str]) -> Path:
    # The XDG Base Directory Specification 0.8: $XDG_DATA_HOME, else ~/.local/share.
    base = env.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser().absolute() / "lianhua"


DAY_S = 86_400

SETTINGS: tuple[Setting, ...] = (
    _row("OPENAI_API_KEY", _text),
    _row("OPENAI_BASE_URL", _web_url),
    _row("OPENAI_MODEL", _text, "gpt-4o"),
    _row("REDIS_URL", _store_url),
    _row("REDIS_HOST", _text),
    _row("REDIS_PORT", _whole(1, 65_535), 6379),
    _row("LIANHUA_DATA_DIR", _folder, _default_data_dir),
    _row("LIANHUA_STORE_MB", _whole(64, 16_777_216)),
    _row("LIANHUA_HOST", _text, "127.0.0.1"),
    _row("LIANHUA_PORT", _whole(0, 65_535), 8000),
    _row("LIANHUA_WORKERS", _whole(1, 64), 1),
    _row("LIANHUA_AUTH", _one_of("open"), "open"),
    _row("LIANHUA_ALLOW_OPEN", _yes_or_no, False),
    _row("LIANHUA_ALLOW_OPEN_STORE", _yes_or_no, False),
    _row("LIANHUA_DURABILITY", _one_of("normal", "strict"), "normal"),
    _row("LIANHUA_ON_WORKER_LOSS", _one_of("interrupt", "continue"), "interrupt"),
    _row("LIANHUA_ALLOWED_ORIGINS", _origins, ()),
    _row("LIANHUA_TRUSTED_PROXIES", _networks, ()),
    _row("LIANHUA_BASE_PATH", clean_base_path, ""),
    _row("LIANHUA_PERSONAS", _file),
    _row("LIANHUA_MODELS", _text),
    _row("LIANHUA_LOCAL_MODEL", _file),
    _row("LIANHUA_SCRIPT", _file),
    _row("LIANHUA_DISCOVERY", _yes_or_no, True),
    _row("LIANHUA_MODEL_PROXY", _one_of("environment", "off"), "environment"),
    _row("LIANHUA_CONTEXT_MESSAGES", _whole(1, 1_000), 20),
    _row("LIANHUA_CONTEXT_TOKENS", _whole(512, 10_000_000)),
    _row("LIANHUA_REPLY_TOKENS", _whole(16, 1_000_000)),
    _row("LIANHUA_MESSAGE_CHARS", _whole(1, 60_000), 32_000),
    _row("LIANHUA_REPLY_CHARS", _whole(1_000, 10_000_000), 400_000),
    _row("LIANHUA_RETENTION_DAYS", _number(0, 36_500), 7.0),
    _row("LIANHUA_RETENTION_MESSAGES", _whole(0, 1_000_000), 50),
    _row("LIANHUA_IMPORT_MB", _whole(1, 65_536), 512),
    _row("LIANHUA_TITLES", _one_of("model", "message"), "model"),
    _row("LIANHUA_CONNECT_TIMEOUT_S", _number(0.1, 600), 10.0),
    _row("LIANHUA_FIRST_BYTE_TIMEOUT_S", _number(0.1, 3_600), 300.0),
    _row("LIANHUA_DELTA_TIMEOUT_S", _number(0.1, 3_600), 60.0),
    _row("LIANHUA_REPLY_TIMEOUT_S", _number(1, 86_400), 3_600.0),
    _row("LIANHUA_RETRY_TIMEOUT_S", _number(0, 3_600), 60.0),
    _row("LIANHUA_PRICES", _prices, lambda _env: {}),
    _row("LIANHUA_CURRENCY", _currency, "USD"),
    _row("LIANHUA_LOG_LEVEL", _one_of("debug", "info", "warning", "error"), "info"),
)

# Part of the contract, not of this version: a setting that would do nothing is refused rather than ignored.
NOT_YET = {"LIANHUA_RATE_LIMIT": "rate limits"}


def load_settings(environ: Mapping[str, str] | None = None, env_file: Path | None = None) -> Settings:
    """Settings from `environ` (the process's own where None), and below it from `env_file` (`.env` here where None).

    An empty value counts as not set. Raises `WrongSettings` with one line that names the setting.
    """
    env = _merged(os.environ if environ is None else environ, env_file or Path(".env"))
    known = {row.env for row in SETTINGS}
    for name in env:
        if name in NOT_YET:
            raise WrongSettings(f"{name}: {NOT_YET[name]} are not part of this version; remove the setting")
        if name.startswith(PREFIX) and name not in known:
            raise WrongSettings(f"{name}: no setting of that name; docs/configuration.md lists them all")
    return Settings(**{row.field: _value(row, env) for row in SETTINGS}, environ=env)


def _merged(environ: Mapping[str, str], env_file: Path) -> dict[str, str]:
    try:
        below = dotenv_values(env_file, encoding="utf-8") if env_file.is_file() else {}
    except (OSError, UnicodeError) as exc:
        raise WrongSettings(f"{env_file}: cannot be read ({type(exc).__name__})") from exc
    merged = {**below, **environ}
    return {name: value for name, value in merged.items() if value}


def _value(row: Setting, env: Mapping[str, str]) -> Any:
    if row.env not in env:
        return row.default(env)
    try:
        return row.read(env[row.env].strip())
    except (ValueError, KeyError) as exc:
        # The value itself stays out of the line: it may be a key or a password.
        raise WrongSettings(f"{row.env}: should be {row.read.__doc__}") from exc


assert {row.field for row in SETTINGS} | {"environ"} == {part.name for part in fields(Settings)}  # noqa: S101
