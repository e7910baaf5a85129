"""What the routes of OpenID providers answer."""

from lianhua.api.schemas.body import Out


class ProviderOut(Out):
    name: str
    label: str


class ProvidersOut(Out):
    providers: list[ProviderOut]


class ProviderLogoutOut(Out):
    address: str | None
