"""The way to the servers of the store: connections, scripts, keys, subscriptions."""
