"""Finding conversations by what was written in them: signatures, excerpts, queries."""
