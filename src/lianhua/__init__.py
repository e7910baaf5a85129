"""Lianhua (连话): a self-hosted chat server for talking with language models over many turns."""

__version__ = "0.1.0"
