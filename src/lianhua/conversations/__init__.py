"""Conversations as a whole: taken out as files and brought back."""
