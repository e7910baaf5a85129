"""What an ID token has to be before anything in it is believed (OpenID Connect Core 1.0, 3.1.3.7). No I/O."""

import hmac
from collections.abc import Mapping
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from msgspec import Struct

from lianhua.config.oidc import Provider
from lianhua.errors import OidcRefused

# Signatures with a private key only: a MAC (HS*) would be made with what the client knows too, `none` by anybody.
ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
LEEWAY_S: Final = 30  # between two clocks that are kept right
TOKEN_CHARS: Final = 65_536
SUBJECT_CHARS: Final = 255  # OpenID Connect Core 1.0, 2


class Person(Struct, frozen=True):
    """Somebody who has logged in at a provider. `subject` is theirs for ever; `name` and `groups` are claims."""

    issuer: str
    subject: str
    name: str
    groups: tuple[str, ...]
    is_admin: bool | None  # None: the provider does not say


def key_is_known(token: str, keys: KeySet) -> bool:
    """Whether the key that the token names is among the `keys`. Raises `OidcRefused` for what is no token."""
    kid = _header(token).get("kid")
    return kid is None or any(key.kid == kid for key in keys.keys)


def read_id_token(token: str, keys: KeySet, provider: Provider, nonce: str, now_s: float) -> Mapping[str, Any]:
    """The claims of a token that is good. Raises `OidcRefused`, with the reason for the log."""
    header = _header(token)
    if header.get("alg") not in ALGORITHMS:
        raise OidcRefused("alg")
    named = [key for key in keys.keys if header.get("kid") in (None, key.kid) and key.get("use") in (None, "sig")]
    if len(named) != 1:
        raise OidcRefused("kid")
    try:
        claims = jwt.decode(token, named[0], algorithms=ALGORITHMS).claims
    except (JoseError, ValueError, TypeError) as exc:
        raise OidcRefused("signature") from exc
    check_claims(claims, provider, nonce, now_s)
    return claims


def check_claims(claims: Mapping[str, Any], provider: Provider, nonce: str, now_s: float) -> None:
    """Raises `OidcRefused` with the name of the first claim that is wrong."""
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    azp, subject = claims.get("azp"), claims.get("sub")
    said_nonce = claims.get("nonce")
    not_before = claims.get("nbf", now_s)
    checks = {
        "iss": claims.get("iss") == provider.issuer,
        "aud": provider.client_id in audiences,
        "azp": azp == provider.client_id if azp is not None or len(audiences) > 1 else True,
        "exp": _is_time(claims.get("exp")) and claims["exp"] > now_s - LEEWAY_S,
        "iat": _is_time(claims.get("iat")) and claims["iat"] <= now_s + LEEWAY_S,
        "nbf": _is_time(not_before) and not_before <= now_s + LEEWAY_S,
        "nonce": isinstance(said_nonce, str) and hmac.compare_digest(said_nonce.encode(), nonce.encode()),
        "sub": isinstance(subject, str) and 0 < len(subject) <= SUBJECT_CHARS,
    }
    for name, is_right in checks.items():
        if not is_right:
            raise OidcRefused(name)


def person_of(claims: Mapping[str, Any], provider: Provider) -> Person:
    """Who the claims are of. Raises `OidcRefused` without the claim that names them or the required group."""
    name = claims.get(provider.name_claim)
    if not isinstance(name, str) or not name:
        raise OidcRefused(f"no claim {provider.name_claim}")
    if provider.name_claim == "email" and claims.get("email_verified") is not True:
        raise OidcRefused("email_verified")
    said = claims.get(provider.groups_claim, [])
    groups = tuple(group for group in (said if isinstance(said, list) else [said]) if isinstance(group, str))
    if provider.required_group and provider.required_group not in groups:
        raise OidcRefused("not in the required group")
    is_admin = provider.admin_group in groups if provider.admin_group else None
    return Person(provider.issuer, claims["sub"], name, groups, is_admin)


def _header(token: str) -> Mapping[str, Any]:
    try:
        if len(token) > TOKEN_CHARS:
            raise OidcRefused("the token is too long")
        return jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, TypeError) as exc:
        raise OidcRefused("no token") from exc


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
