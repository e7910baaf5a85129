"""The protocol of `docs/protocol.md` as checks that any server can be held to: `python -m tests.protocol URL`."""
