"""The OpenID providers at which people may log in: one from the environment, more from a file."""

import re
import tomllib
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from lianhua.config.readers import is_loopback
from lianhua.config.settings import Settings
from lianhua.errors import WrongSettings

PROVIDERS: Final = 8  # of a server: a button each
FIRST: Final = "oidc"  # the name of the one from the environment
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class Provider(Struct, frozen=True, forbid_unknown_fields=True):
    """`issuer` exactly as its discovery document and ID tokens say it. `name` stands in the address of the callback.

    `name_claim` is the claim that names the account; `groups_claim` the one that lists groups, of which `admin_group`
    makes an administrator and `required_group` lets in at all; empty for nobody and everybody. `ca` is a PEM file.
    """

    issuer: str
    client_id: str
    name: str = ""
    client_secret: str = ""
    label: str = ""
    ca: str = ""
    name_claim: str = "preferred_username"
    groups_claim: str = "groups"
    admin_group: str = ""
    required_group: str = ""
    scopes: str = "openid profile email"


def read_providers(settings: Settings) -> dict[str, Provider]:
    """By name; empty where none is set. Raises `WrongSettings`."""
    found = {FIRST: _first(settings)} if settings.oidc_issuer else {}
    if settings.oidc_file:
        found |= _of_file(settings.oidc_file)
    if len(found) > PROVIDERS:
        raise WrongSettings(f"LIANHUA_OIDC_FILE: at most {PROVIDERS} providers")
    if found and settings.auth != "accounts":
        raise WrongSettings("LIANHUA_OIDC_ISSUER: needs LIANHUA_AUTH=accounts")
    return {name: _checked(name, provider) for name, provider in found.items()}


def _first(settings: Settings) -> Provider:
    if not settings.oidc_client_id:
        raise WrongSettings("LIANHUA_OIDC_CLIENT_ID: is needed beside LIANHUA_OIDC_ISSUER")
    return Provider(
        settings.oidc_issuer or "",
        settings.oidc_client_id,
        client_secret=settings.oidc_client_secret or "",
        label=settings.oidc_label or "",
        ca=str(settings.oidc_ca or ""),
        name_claim=settings.oidc_name_claim,
        groups_claim=settings.oidc_groups_claim,
        admin_group=settings.oidc_admin_group or "",
        required_group=settings.oidc_required_group or "",
        scopes=settings.oidc_scopes,
    )


def _of_file(file: Path) -> dict[str, Provider]:
    try:
        return msgspec.convert(tomllib.loads(file.read_text("utf-8")), dict[str, Provider])
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as exc:
        raise WrongSettings(f"LIANHUA_OIDC_FILE: {file} is not TOML that can be read") from exc
    except msgspec.ValidationError as exc:
        raise WrongSettings(f"LIANHUA_OIDC_FILE: {exc}") from exc


def _checked(name: str, provider: Provider) -> Provider:
    where = "LIANHUA_OIDC_ISSUER" if name == FIRST else f"LIANHUA_OIDC_FILE: {name}"
    if not _NAME.fullmatch(name):
        raise WrongSettings("LIANHUA_OIDC_FILE: a provider's name has 1 to 32 of a-z, 0-9 and dash")
    if not is_safe_address(provider.issuer):
        raise WrongSettings(f"{where}: the issuer should begin with https:// (http:// on this machine only)")
    if "openid" not in provider.scopes.split():
        raise WrongSettings(f"{where}: the scopes should include openid")
    return msgspec.structs.replace(
        provider, name=name, label=provider.label or urlsplit(provider.issuer).hostname or ""
    )


def is_safe_address(address: str) -> bool:
    """Whether nobody on the way to it can read or change what is sent."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))
