"""What leaves the server as a file and what comes back: formats and their values. Nothing here opens anything."""
