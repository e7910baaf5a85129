"""The server with the heartbeat of a silent stream every second instead of every 15: a minute in four seconds."""

from lianhua.streams import viewer

HEARTBEAT_S = 1.0

if __name__ == "__main__":
    viewer.HEARTBEAT_S = HEARTBEAT_S  # type: ignore[misc]

    from lianhua.server.cli import main

    main()
