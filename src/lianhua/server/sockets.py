"""The socket that the server listens on: opened first, so that a port that is taken is found out at once."""

import socket
from typing import Final

from lianhua.config.settings import Settings
from lianhua.errors import WrongSettings

BACKLOG: Final = 2_048
# A socket that takes nothing for so long belongs to a viewer who is gone, and nothing else could close a full one
# (tcp(7)).
USER_TIMEOUT_MS: Final = 20_000


def listen(settings: Settings) -> socket.socket:
    """A listening socket at the address of the settings. Raises `WrongSettings`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host.strip("[]"), settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; each connection takes it over
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as exc:
        raise WrongSettings(
            f"LIANHUA_HOST, LIANHUA_PORT: cannot listen on {settings.host}:{settings.port} ({exc.strerror})"
        ) from exc
    return listener


def address_of(settings: Settings, listener: socket.socket) -> str:
    """The address as people type it."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listener.getsockname()[1]}"
