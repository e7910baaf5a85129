"""A Valkey server of our own: a child process whose files lie under the data directory."""
