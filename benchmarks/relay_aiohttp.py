"""What one would write with a framework in an afternoon: aiohttp on both sides, nothing read, nothing kept.

python relay_aiohttp.py PORT UPSTREAM_PORT
"""

import asyncio
import sys

from aiohttp import ClientSession, TCPConnector, web


async def main(port: int, upstream_port: int) -> None:
    session = ClientSession(connector=TCPConnector(limit=0))

    async def relay(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        async with session.post(f"http://127.0.0.1:{upstream_port}/v1/chat/completions", data=body) as answer:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    app = web.Application()
    app.router.add_post("/v1/chat/completions", relay)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
