"""Fetching the small model, piece by verified piece."""
