"""One write a viewer a piece, and nothing else: every piece of one upstream reply goes to every connected socket.

python fanout.py PORT UPSTREAM_PORT VIEWERS
"""

import socket
import sys

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
ASK = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"


def main(port: int, upstream_port: int, count: int) -> None:
    with socket.create_server(("127.0.0.1", port), backlog=4096) as server:
        print("ready", flush=True)
        viewers = [server.accept()[0] for _ in range(count)]
    for viewer in viewers:
        viewer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        viewer.recv(65536)
        viewer.send(HEAD)
    with socket.create_connection(("127.0.0.1", upstream_port)) as upstream:
        upstream.send(ASK)
        while chunk := upstream.recv(65536):
            for viewer in viewers:
                viewer.send(chunk)
            if chunk.endswith(b"\r\n0\r\n\r\n"):
                break
    for viewer in viewers:
        viewer.close()


main(*map(int, sys.argv[1:]))
