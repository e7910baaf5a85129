"""Whole conversations on their way out of the store and into it."""
