"""Whether a stream on which nothing is said lives, in full: `python -m tests.proxies 600`. One line for each proxy and
version of HTTP.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.proxies.deployment import Deployment, client_of, curl, open_deployment
from tests.proxies.programs import Proxy
from tests.support.client import events


async def _quiet(deployment: Deployment, quiet_s: float) -> None:
    proxies = deployment.proxies.values()
    async with client_of(f"http://127.0.0.1:{deployment.port}", "quiet") as client:
        conversation = await client.create()
        turn = await client.begin(conversation, "Think about it.")
        reply = await asyncio.to_thread(deployment.model.next_reply)
        reply.say("First.")
        path = f"{events(conversation, turn)}?user_id=quiet"
        watched = [asyncio.create_task(_watch(proxy, path, version)) for proxy in proxies for version in ("1.1", "2")]
        await asyncio.sleep(quiet_s)
        reply.say("Last.")
        reply.end()
        for line in await asyncio.gather(*watched):
            print(line, flush=True)


async def _watch(proxy: Proxy, path: str, version: str) -> str:
    began = time.monotonic()
    comments = 0
    read = b""
    async with curl(proxy, path, f"--http{version}") as lines:
        async for line in lines:
            comments += line.startswith(b":")
            read += line
    ending = "whole" if all(part in read for part in (b"First.", b"Last.", b"event: end")) else "CUT"
    return f"{proxy.name} HTTP/{version}: {time.monotonic() - began:.0f} s, {comments} comments, {ending}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, open_deployment(Path(folder)) as deployment:
        asyncio.run(_quiet(deployment, float(sys.argv[1])))
