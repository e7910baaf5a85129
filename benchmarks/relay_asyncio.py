"""The bare relay: bytes from the model's server to the viewer over asyncio's streams, nothing read, nothing kept.

python relay_asyncio.py PORT UPSTREAM_PORT
"""

import asyncio
import sys


async def main(port: int, upstream_port: int) -> None:
    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", upstream_port)
        upstream_writer.write(head + await reader.readexactly(length))
        while chunk := await upstream_reader.read(65536):
            writer.write(chunk)
            await writer.drain()
            if chunk.endswith(b"\r\n0\r\n\r\n"):
                break
        upstream_writer.close()
        writer.close()

    server = await asyncio.start_server(relay, "127.0.0.1", port, backlog=4096)
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
