"""How often something may be asked for, and how that is said in the answer."""

import ipaddress
import math
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from lianhua.config.limits import Quota
from lianhua.store.buckets import Bucket, Buckets, Level

IPV6_PREFIX: Final = 64  # a provider gives every customer so much at least, and whoever has it changes the rest at will


class Taken(Struct, frozen=True):
    """What was met: a level for each bucket that was asked."""

    levels: tuple[Level, ...]

    @property
    def allowed(self) -> bool:
        return all(level.taken for level in self.levels)

    @property
    def wait_s(self) -> float:
        """After so long all of them have a token again."""
        return max((level.wait_s for level in self.levels), default=0.0)

    @property
    def headers(self) -> dict[str, str]:
        """`RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11): lists of structured fields
        (RFC 9651) with one item for each limit, of several buckets the one with the least left.
        """
        tightest: dict[str, Level] = {}
        for level in sorted(self.levels, key=lambda level: level.left, reverse=True):
            tightest[level.bucket.name] = level
        shown = sorted(tightest.values(), key=lambda level: level.bucket.name)
        if not shown:
            return {}
        policies = (
            f'"{each.bucket.name}";q={each.bucket.quota.count};w={each.bucket.quota.window_s}' for each in shown
        )
        levels = (f'"{each.bucket.name}";r={each.left};t={math.ceil(each.full_s)}' for each in shown)
        return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(levels)}


class Rate:
    """`quotas` are of what is limited, such as `turns`, or of that for one kind of asker, such as `turns:address`.

    Raises `StoreUnavailable`, `Overloaded`.
    """

    def __init__(self, quotas: Mapping[str, Quota], buckets: Buckets) -> None:
        self._quotas = dict(quotas)
        self._buckets = buckets

    def limits(self, *names: str) -> bool:
        """Whether any of these is limited for anybody."""
        return any(each.partition(":")[0] in names for each in self._quotas)

    async def take(self, names: Sequence[str], askers: Mapping[str, str]) -> Taken:
        """Counts one request for each of `names`. `askers` are by kind who it comes from: `user`, `token`, `address`,
        or for a login `name` and `address`. Asks the store nothing where nothing of it is limited.
        """
        buckets = [
            Bucket(name, kind, _network(asker) if kind == "address" else asker, quota)
            for name in names
            for kind, asker in askers.items()
            if (quota := self._quotas.get(f"{name}:{kind}") or self._quotas.get(name))
        ]
        return Taken(tuple(await self._buckets.take(buckets)) if buckets else ())


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address  # of a socket without one
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))
    return address
