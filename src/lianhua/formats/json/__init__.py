"""JSON read as it streams: a source in blocks, a parser's events, values built of what was asked for."""
