"""The HTTP contract, asked of a real server process."""
