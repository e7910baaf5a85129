"""Bodies of the tutorial's routes that no other route has."""

from lianhua.api.schemas.body import Out


class SessionOut(Out):
    session_id: str
    welcome_message: str


class ClearedOut(Out):
    message: str


class RoleOut(Out):
    name: str
    icon: str
    description: str
    prompt: str
    welcome: str
    suggestions: list[str]
    model: str | None = None
    own: bool


class RolesOut(Out):
    roles: dict[str, RoleOut]
    default_role: str
