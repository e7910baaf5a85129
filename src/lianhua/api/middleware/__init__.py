"""What every request passes before a route: pure ASGI, because the framework's own base class hides disconnects."""
