"""Real Redis and Valkey servers of every kind, and a bad network in front of them."""
