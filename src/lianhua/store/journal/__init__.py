"""The journal of turns: their records, their events, their leases."""
