"""Bodies of a user's preferences."""

from typing import Literal

from pydantic import model_validator

from lianhua.api.deps import Name
from lianhua.api.schemas.body import In, Out


class PreferencesOut(Out):
    default_role: str | None
    default_model: str | None
    language: Literal["zh", "en"] | None


class PreferencesPatch(In):
    """At least one field; what is left out stays, null takes a choice back."""

    default_role: Name | None = None
    default_model: Name | None = None
    language: Literal["zh", "en"] | None = None

    @model_validator(mode="after")
    def _something(self) -> "PreferencesPatch":
        if not self.model_fields_set:
            raise ValueError("name at least one of default_role, default_model, language")
        return self
