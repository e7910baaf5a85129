"""The line between the page and a server: it can be cut and mended, stand in for a proxy whose server is away, and lead
to another server, under one address.
"""

import contextlib
import re
import socket
import threading
from typing import Self
from urllib.parse import urlsplit

REQUEST_WITHIN_S = 20.0  # a browser also opens connections that it may never use
# What a proxy says while the server behind it is started anew: a page for people, and not one of ours.
BAD_GATEWAY = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 24\r\nConnection: close\r\n\r\n"
    b"<h1>502 Bad Gateway</h1>"
)


class Line:
    """Passes bytes between a free port of 127.0.0.1 and the server at `target`, from entering to leaving.

    With `names_target` requests arrive under the target's name, as most proxies have it unless they are told otherwise.
    """

    def __init__(self, target: str, *, names_target: bool = False) -> None:
        self.target = target
        self._names_target = names_target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self._is_cut = False
        self._is_away = False
        self._thread = threading.Thread(target=self._accept, name="line")
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread, as close() alone would not
        self._thread.join()
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Ends every connection and every new one at once."""
        self._is_cut = True
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def answer_502(self) -> None:
        """Ends every connection, and answers every new one as a proxy whose server is away."""
        self.cut()
        self._is_away = True

    def mend(self) -> None:
        self._is_cut = self._is_away = False

    def _accept(self) -> None:
        pumps: list[threading.Thread] = []
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                break
            if self._is_away:
                self._ends.append(near)
                pumps.append(threading.Thread(target=_refuse, args=(near,), name="line: refusal"))
                pumps[-1].start()
                continue
            address = urlsplit(self.target)
            try:
                if self._is_cut:
                    raise ConnectionError
                far = socket.create_connection((address.hostname, address.port))
            except OSError:
                near.close()
                continue
            self._ends += [near, far]
            host = f"Host: {address.netloc}\r\n".encode() if self._names_target else None
            for way in ((near, far, host), (far, near, None)):
                pumps.append(threading.Thread(target=_pump, args=way, name="line: one way"))
                pumps[-1].start()
        self.cut()
        for pump in pumps:
            pump.join()
        for end in self._ends:
            end.close()


def _refuse(near: socket.socket) -> None:
    with near, contextlib.suppress(OSError):
        near.settimeout(REQUEST_WITHIN_S)
        near.recv(65_536)
        near.sendall(BAD_GATEWAY)


def _pump(source: socket.socket, sink: socket.socket, host: bytes | None) -> None:
    with contextlib.suppress(OSError):
        while received := source.recv(65_536):
            sink.sendall(received if host is None else re.sub(rb"(?mi)^Host: [^\r]+\r\n", host, received))
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
