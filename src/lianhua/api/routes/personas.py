"""The personas that the caller has made, beside those of the server that `GET /roles` lists first."""

from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from lianhua.api.deps import Models, User, UserRoles
from lianhua.api.schemas.personas import NewPersona, OwnPersonaOut, OwnPersonasOut, PersonaPatch
from lianhua.chat.personas import OwnPersona, new_own_id
from lianhua.models.catalog import Catalog

router = APIRouter(prefix="/personas", tags=["personas"])


@router.get("")
async def list_personas(roles: UserRoles, user: User) -> OwnPersonasOut:
    """The caller's own, the oldest first."""
    return OwnPersonasOut(personas=[OwnPersonaOut.model_validate(persona) for persona in await roles.own(user)])


@router.post("", status_code=201)
async def create_persona(models: Models, roles: UserRoles, user: User, body: NewPersona) -> OwnPersonaOut:
    """A new persona; its id is a `role` from now on."""
    fields = _fields(models, body.model_dump())
    return OwnPersonaOut.model_validate(await roles.create(user, OwnPersona(new_own_id(), **fields)))


@router.get("/{persona_id}")
async def read_persona(roles: UserRoles, user: User, persona_id: str) -> OwnPersonaOut:
    return OwnPersonaOut.model_validate(await roles.get_own(user, persona_id))


@router.patch("/{persona_id}")
async def change_persona(
    models: Models, roles: UserRoles, user: User, persona_id: str, body: PersonaPatch
) -> OwnPersonaOut:
    """Changes what the body names; a null takes `model`, `temperature`, `top_p` or `max_tokens` back."""
    fields = _fields(models, body.model_dump(exclude_unset=True))
    changed = await roles.change(user, persona_id, lambda persona: msgspec.structs.replace(persona, **fields))
    return OwnPersonaOut.model_validate(changed)


@router.delete("/{persona_id}", status_code=204)
async def delete_persona(roles: UserRoles, user: User, persona_id: str) -> Response:
    """Removes it. Conversations with it stay and go on with the default persona."""
    await roles.remove(user, persona_id)
    return Response(status_code=204)


def _fields(models: Catalog, fields: dict[str, Any]) -> dict[str, Any]:
    """The body's fields as a persona keeps them. Raises `UnknownModel`."""
    if fields.get("model") is not None:
        models.get(fields["model"])
    if "suggestions" in fields:
        fields["suggestions"] = tuple(fields["suggestions"])
    return fields
