"""Token buckets by the store's clock: one for each limit and whom it is for."""

import hashlib
from collections.abc import Sequence

from msgspec import Struct

from lianhua.config.limits import Quota
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import PREFIX
from lianhua.store.client.scripts import Script


class Bucket(Struct, frozen=True):
    """`name` is what is limited, `scope` and `subject` for whom, such as an address."""

    name: str
    scope: str
    subject: str
    quota: Quota


class Level(Struct, frozen=True):
    """What became of a bucket: whether a token was `taken`, how many are `left`, in how many seconds there is one
    (`wait_s`, 0 where there is) and it is full.
    """

    bucket: Bucket
    taken: bool
    left: int
    wait_s: float
    full_s: float


class Buckets:
    """Raises `StoreUnavailable`, `Overloaded`."""

    def __init__(self, database: StoreClient) -> None:
        self._database = database
        self._take = Script("bucket")

    async def take(self, buckets: Sequence[Bucket]) -> list[Level]:
        """One token out of each, all in one round trip; each by itself, whether or not another one was empty."""
        calls = [([_key(bucket)], [bucket.quota.count, bucket.quota.window_s]) for bucket in buckets]
        answers = await self._database.run_each(self._take, calls)
        return [_level(bucket, answer) for bucket, answer in zip(buckets, answers, strict=True)]


def _level(bucket: Bucket, answer: "Sequence[int | bytes] | Exception") -> Level:
    if isinstance(answer, Exception):
        raise answer
    taken, left, wait_s, full_s = answer
    return Level(bucket, taken == 1, int(left), float(wait_s), float(full_s))


def _key(bucket: Bucket) -> str:
    """A login's name may be anything, and an address is nobody's business who looks at the store."""
    who = hashlib.sha256(f"{bucket.scope} {bucket.subject}".encode()).hexdigest()[:32]
    return f"{PREFIX}:{{rate:{who}}}:{bucket.name}"
