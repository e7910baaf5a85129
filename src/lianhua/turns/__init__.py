"""Turns: planned, run, recovered, finished."""
