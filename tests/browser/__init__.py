"""The page in the system's Chromium, before a real server."""
