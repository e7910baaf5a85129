"""How the value of a setting is read. Each reader raises `ValueError` for what it does not take; its docstring says
what it takes, in the words of the refusal.
"""

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from lianhua.config.store_url import parse_address


def is_loopback(host: str) -> bool:
    """True for `localhost` and for an address of the loopback range; a name is not looked up."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_text(value: str) -> str:
    return value


def whole(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        number = int(value)
        if not low <= number <= high:
            raise ValueError
        return number

    read.__doc__ = f"a whole number from {low} to {high}" if low < high else f"{low}: this version knows no other"
    return read


def number(low: float, high: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        number = float(value)
        if not (math.isfinite(number) and low <= number <= high):
            raise ValueError
        return number

    read.__doc__ = f"a number from {low:g} to {high:g}"
    return read


def one_of(*choices: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in choices:
            raise ValueError
        return value

    read.__doc__ = "one of: " + ", ".join(choices)
    return read


def read_token(value: str) -> str:
    """16 to 200 letters, digits and - . _ ~ + / ="""
    if not re.fullmatch(r"[A-Za-z0-9._~+/=-]{16,200}", value):  # what a bearer token may be (RFC 6750, 2.1)
        raise ValueError
    return value


def read_yes_or_no(value: str) -> bool:
    """1 or 0"""
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[value.lower()]


def read_file(value: str) -> Path:
    """a file that can be read"""
    path = Path(value).expanduser()
    if not path.is_file():
        raise ValueError
    return path


def read_folder(value: str) -> Path:
    return Path(value).expanduser().absolute()


def read_web_url(value: str) -> str:
    """an address that starts with http:// or https://"""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError
    return value.rstrip("/")


def read_store_url(value: str) -> str:
    """redis://, rediss:// or unix://…, redis+sentinel://host,host/name or redis+cluster://host,host (see the docs)"""
    parse_address(value)
    return value


def read_origins(value: str) -> tuple[str, ...]:
    """origins such as https://chat.example.org, separated by commas"""
    origins = tuple(part.strip() for part in value.split(",") if part.strip())
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query:
            raise ValueError
    return origins


def read_header_name(value: str) -> str:
    """the name of a header such as X-Forwarded-User, of letters, digits and dashes"""
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", value) or value.lower() in ("host", "cookie", "authorization"):
        raise ValueError
    return value.lower()


def read_networks(value: str) -> tuple[IPv4Network | IPv6Network, ...]:
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


def read_prices(value: str) -> Mapping[str, tuple[Decimal, Decimal]]:
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


def read_currency(value: str) -> str:
    """a currency in three capital letters, such as USD or CNY"""
    if not re.fullmatch(r"[A-Z]{3}", value):
        raise ValueError
    return value
