"""Reading the list of models that a server has."""

from lianhua.models.http.inflate import body_of
from lianhua.models.http.pool import Connections


async def read_list(connections: Connections, request: bytes, limit: int, until: float) -> bytes:
    """The body of the answer to `request` (its headers, without the blank line); nothing where the server refuses.

    Nothing either where it is longer than `limit` bytes. Raises what a `Connection` raises.
    """
    connection = await connections.take(until)
    try:
        await connection.ask(request + b"\r\n", until)
        listed, body = bytearray(), body_of(connection)
        while len(listed) <= limit and (chunk := await body.read(until)):
            listed += chunk
    except BaseException:
        connection.close()
        raise
    connections.give_back(connection)
    return bytes(listed) if connection.status == 200 and len(listed) <= limit else b""
