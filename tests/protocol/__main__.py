"""Holds a server to the protocol: `python -m tests.protocol http://127.0.0.1:8000 [--token TOKEN]`.

The model behind it should take a second or more for a reply: some rules are about replies that still run. Exit codes: 0
where every rule is kept, 1 where one is broken.
"""

import argparse
import asyncio
import sys
import uuid

import aiohttp

from tests.protocol.checks import CHECKS
from tests.protocol.peer import Peer

TIMEOUT_S = 600.0  # of one rule
NOT_KEPT = (AssertionError, LookupError, ValueError, StopAsyncIteration, aiohttp.ClientError, TimeoutError)


async def main() -> int:
    arguments = _arguments()
    user = None if arguments.token else f"protocol-{uuid.uuid4().hex[:8]}"
    broken = 0
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as http:
        peer = Peer(http, arguments.url, user, arguments.token)
        for check in CHECKS:
            name = check.__name__.replace("_", " ")
            try:
                await check(peer)
            except (
                AssertionError,
                LookupError,
                ValueError,
                StopAsyncIteration,
                aiohttp.ClientError,
                TimeoutError,
            ) as exc:
                broken += 1
                print(f"BROKEN  {name}\n        {type(exc).__name__}: {exc}")
            else:
                print(f"kept    {name}")
    print(f"{len(CHECKS) - broken} of {len(CHECKS)} rules are kept")
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.protocol", description="Holds a server to docs/protocol.md.")
    parser.add_argument("url", help="where the server's paths begin, such as http://127.0.0.1:8000")
    parser.add_argument("--token", help="sent as `Authorization: Bearer`")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
