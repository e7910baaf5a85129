"""The caller's preferences."""

from fastapi import APIRouter

from lianhua.api.deps import Choices, Models, User, UserRoles
from lianhua.api.schemas.preferences import PreferencesOut, PreferencesPatch

router = APIRouter(prefix="/settings", tags=["settings"])


@router.get("")
async def read_settings(choices: Choices, user: User) -> PreferencesOut:
    """Null: nothing is chosen."""
    return PreferencesOut.model_validate(await choices.get(user))


@router.patch("")
async def change_settings(
    models: Models, roles: UserRoles, choices: Choices, user: User, body: PreferencesPatch
) -> PreferencesOut:
    """Changes what the body names; null takes a choice back."""
    if body.default_role is not None:
        await roles.get(user, body.default_role)
    if body.default_model is not None:
        models.get(body.default_model)
    return PreferencesOut.model_validate(await choices.change(user, body.model_dump(exclude_unset=True)))
