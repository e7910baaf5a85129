"""HTTP: routes, refusals and streams. The only room that knows FastAPI."""
