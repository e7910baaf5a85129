"""Every setting, read once by whoever starts the server: the environment first, then `.env`.

`SETTINGS` is the one table: name, how it is read, default. `.env.example` and `docs/configuration.md` describe the same
names, and a test holds the three together.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from dotenv import dotenv_values

from lianhua.config.limits import Budget, Quota, read_budget, read_rate_limit, read_time_zone
from lianhua.config.readers import (
    clean_base_path,
    is_loopback,
    number,
    one_of,
    read_currency,
    read_file,
    read_folder,
    read_header_name,
    read_networks,
    read_origins,
    read_prices,
    read_store_url,
    read_text,
    read_token,
    read_web_url,
    read_yes_or_no,
    whole,
)
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
    auth: Literal["open", "accounts"]
    allow_open: bool
    allow_open_store: bool
    durability: Literal["normal", "strict"]
    on_worker_loss: Literal["interrupt", "continue"]
    allowed_origins: tuple[str, ...]
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    base_path: str  # "" or like "/chat"
    oidc_issuer: str | None
    oidc_client_id: str | None
    oidc_client_secret: str | None = field(repr=False)
    oidc_label: str | None
    oidc_ca: Path | None
    oidc_name_claim: str
    oidc_groups_claim: str
    oidc_admin_group: str | None
    oidc_required_group: str | None
    oidc_scopes: str
    oidc_file: Path | None
    proxy_user_header: str | None  # in lower case
    proxy_groups_header: str | None
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
    metrics_port: int | None
    metrics_host: str
    metrics_token: str | None = field(repr=False)
    rate_limit: Mapping[str, Quota]
    budget: tuple[Budget, ...]
    budget_file: Path | None
    time_zone: ZoneInfo
    max_running_turns: int
    max_running_turns_per_user: int
    otlp_endpoint: str | None
    log_level: str
    log_format: Literal["text", "json"]
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
    _row("OPENAI_API_KEY", read_text),
    _row("OPENAI_BASE_URL", read_web_url),
    _row("OPENAI_MODEL", read_text, "gpt-4o"),
    _row("REDIS_URL", read_store_url),
    _row("REDIS_HOST", read_text),
    _row("REDIS_PORT", whole(1, 65_535), 6379),
    _row("LIANHUA_DATA_DIR", read_folder, _default_data_dir),
    _row("LIANHUA_STORE_MB", whole(64, 16_777_216)),
    _row("LIANHUA_HOST", read_text, "127.0.0.1"),
    _row("LIANHUA_PORT", whole(0, 65_535), 8000),
    _row("LIANHUA_WORKERS", whole(1, 64), 1),
    _row("LIANHUA_AUTH", one_of("open", "accounts"), "open"),
    _row("LIANHUA_ALLOW_OPEN", read_yes_or_no, False),
    _row("LIANHUA_ALLOW_OPEN_STORE", read_yes_or_no, False),
    _row("LIANHUA_DURABILITY", one_of("normal", "strict"), "normal"),
    _row("LIANHUA_ON_WORKER_LOSS", one_of("interrupt", "continue"), "interrupt"),
    _row("LIANHUA_ALLOWED_ORIGINS", read_origins, ()),
    _row("LIANHUA_TRUSTED_PROXIES", read_networks, ()),
    _row("LIANHUA_BASE_PATH", clean_base_path, ""),
    _row("LIANHUA_OIDC_ISSUER", read_web_url),
    _row("LIANHUA_OIDC_CLIENT_ID", read_text),
    _row("LIANHUA_OIDC_CLIENT_SECRET", read_text),
    _row("LIANHUA_OIDC_LABEL", read_text),
    _row("LIANHUA_OIDC_CA", read_file),
    _row("LIANHUA_OIDC_NAME_CLAIM", read_text, "preferred_username"),
    _row("LIANHUA_OIDC_GROUPS_CLAIM", read_text, "groups"),
    _row("LIANHUA_OIDC_ADMIN_GROUP", read_text),
    _row("LIANHUA_OIDC_REQUIRED_GROUP", read_text),
    _row("LIANHUA_OIDC_SCOPES", read_text, "openid profile email"),
    _row("LIANHUA_OIDC_FILE", read_file),
    _row("LIANHUA_PROXY_USER_HEADER", read_header_name),
    _row("LIANHUA_PROXY_GROUPS_HEADER", read_header_name),
    _row("LIANHUA_PERSONAS", read_file),
    _row("LIANHUA_MODELS", read_text),
    _row("LIANHUA_LOCAL_MODEL", read_file),
    _row("LIANHUA_SCRIPT", read_file),
    _row("LIANHUA_DISCOVERY", read_yes_or_no, True),
    _row("LIANHUA_MODEL_PROXY", one_of("environment", "off"), "environment"),
    _row("LIANHUA_CONTEXT_MESSAGES", whole(1, 1_000), 20),
    _row("LIANHUA_CONTEXT_TOKENS", whole(512, 10_000_000)),
    _row("LIANHUA_REPLY_TOKENS", whole(16, 1_000_000)),
    _row("LIANHUA_MESSAGE_CHARS", whole(1, 60_000), 32_000),
    _row("LIANHUA_REPLY_CHARS", whole(1_000, 10_000_000), 400_000),
    _row("LIANHUA_RETENTION_DAYS", number(0, 36_500), 7.0),
    _row("LIANHUA_RETENTION_MESSAGES", whole(0, 1_000_000), 50),
    _row("LIANHUA_IMPORT_MB", whole(1, 65_536), 512),
    _row("LIANHUA_TITLES", one_of("model", "message"), "model"),
    _row("LIANHUA_CONNECT_TIMEOUT_S", number(0.1, 600), 10.0),
    _row("LIANHUA_FIRST_BYTE_TIMEOUT_S", number(0.1, 3_600), 300.0),
    _row("LIANHUA_DELTA_TIMEOUT_S", number(0.1, 3_600), 60.0),
    _row("LIANHUA_REPLY_TIMEOUT_S", number(1, 86_400), 3_600.0),
    _row("LIANHUA_RETRY_TIMEOUT_S", number(0, 3_600), 60.0),
    _row("LIANHUA_PRICES", read_prices, lambda _env: {}),
    _row("LIANHUA_CURRENCY", read_currency, "USD"),
    _row("LIANHUA_METRICS_PORT", whole(0, 65_535)),
    _row("LIANHUA_METRICS_HOST", read_text, "127.0.0.1"),
    _row("LIANHUA_METRICS_TOKEN", read_token),
    _row("LIANHUA_RATE_LIMIT", read_rate_limit, lambda _env: {}),
    _row("LIANHUA_BUDGET", read_budget, ()),
    _row("LIANHUA_BUDGET_FILE", read_file),
    _row("LIANHUA_TIME_ZONE", read_time_zone, lambda _env: ZoneInfo("UTC")),
    _row("LIANHUA_MAX_RUNNING_TURNS", whole(0, 1_000_000), 0),
    _row("LIANHUA_MAX_RUNNING_TURNS_PER_USER", whole(0, 1_000), 0),
    _row("LIANHUA_OTLP_ENDPOINT", read_web_url),
    _row("LIANHUA_LOG_LEVEL", one_of("debug", "info", "warning", "error"), "info"),
    _row("LIANHUA_LOG_FORMAT", one_of("text", "json"), "text"),
)


def load_settings(environ: Mapping[str, str] | None = None, env_file: Path | None = None) -> Settings:
    """Settings from `environ` (the process's own where None), and below it from `env_file` (`.env` here where None).

    An empty value counts as not set. Raises `WrongSettings` with one line that names the setting.
    """
    env = _merged(os.environ if environ is None else environ, env_file or Path(".env"))
    known = {row.env for row in SETTINGS}
    for name in env:
        if name.startswith(PREFIX) and name not in known:
            raise WrongSettings(f"{name}: no setting of that name; docs/configuration.md lists them all")
    return Settings(**{row.field: _value(row, env) for row in SETTINGS}, environ=env)


def set_values(settings: Settings) -> dict[str, str]:
    """What was set, by its name, without what may hold a key or a password: for the audit."""
    secret = {part.name for part in fields(Settings) if not part.repr}
    rows = [row for row in SETTINGS if row.env in settings.environ]
    shown = {row.env: settings.environ[row.env] for row in rows}
    return {row.env: "set" if row.field in secret or "@" in shown[row.env] else shown[row.env] for row in rows}


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
