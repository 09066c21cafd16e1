"""People and machines that an identity provider knows: a JWT it signed, for us, not over, with a role of ours.

Promises: only asymmetric signatures by keys of the configured address count, whatever the token's header names; issuer,
audience and expiry are checked every time; a stranger's tokens make us ask the provider at most once a minute.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt

from app.access.principal import NotLetIn, Principal, ProviderAway, Role

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""None with a shared secret: with those, whoever can verify can sign."""

LONGEST = 16 * 1024
LEEWAY_S = 30.0
AGAIN_S = 60.0
TIMEOUT_S = 5.0
KEYS_BYTES = 1 << 20
WRONG = "the credential is not valid"


@dataclass(frozen=True, slots=True)
class Provider:
    """Who signs, for whom, and what claims mean: ``roles`` maps values of ``role_claim`` (dots lead into objects)."""

    issuer: str
    audience: str
    jwks_url: str
    roles: Mapping[str, Role]
    role_claim: str = "groups"
    name_claim: str = "sub"
    services_claim: str | None = None
    keys_for_s: float = 3600.0


def principal_of(claims: Mapping[str, Any], provider: Provider) -> Principal:
    """Who verified claims speak of; raises ``NotLetIn`` where they give no role or no name. Pure."""
    name = claim(claims, provider.name_claim)
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= 200:
        raise NotLetIn(f"this identity has no usable claim {provider.name_claim}")
    given = [provider.roles[value] for value in listed(claim(claims, provider.role_claim)) if value in provider.roles]
    if not given:
        raise NotLetIn("this identity has no role here; an admin maps one in api.auth.jwt.roles")
    role = max(given, key=list(Role).index)
    services = None
    if provider.services_claim is not None:
        services = frozenset(listed(claim(claims, provider.services_claim)))
    return Principal(name, role, f"jwt {provider.issuer}", services)


def claim(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, or by a path of names with dots between; None where there is none."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def listed(value: Any) -> list[str]:
    """A claim's values: of a list, or of a text with spaces between."""
    if isinstance(value, str):
        return value.split()
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


@dataclass(slots=True)
class Keys:
    """The provider's public keys, kept for a while; old ones serve while it does not answer."""

    url: str
    http: httpx.AsyncClient
    keep_s: float = 3600.0
    clock: Callable[[], float] = time.monotonic
    _keys: dict[str, jwt.PyJWK] = field(default_factory=dict)
    _got_s: float | None = None
    _asked_s: float | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def key(self, id: str) -> jwt.PyJWK | None:
        """The key of that id, asked for anew where it is not known. Raises ``ProviderAway`` where none was ever got."""
        async with self._lock:
            now_s = self.clock()
            old = self._got_s is None or now_s - self._got_s >= self.keep_s
            if (old or id not in self._keys) and (self._asked_s is None or now_s - self._asked_s >= AGAIN_S):
                self._asked_s = now_s
                await self._fetch(now_s)
            if self._got_s is None:
                raise ProviderAway("the identity provider's keys cannot be read; try again")
            return self._keys.get(id)

    async def _fetch(self, now_s: float) -> None:
        try:
            answer = await self.http.get(self.url, timeout=TIMEOUT_S)
            answer.raise_for_status()
            if len(answer.content) <= KEYS_BYTES:
                found = jwt.PyJWKSet.from_dict(answer.json()).keys
                self._keys, self._got_s = {key.key_id: key for key in found if key.key_id}, now_s
        except (httpx.HTTPError, ValueError, AttributeError, jwt.PyJWTError):
            return  # what was known stays; who asks is told if nothing was


@dataclass(slots=True)
class Identities:
    """A ``Keeper`` of JWTs."""

    provider: Provider
    keys: Keys

    async def principal(self, credential: str | None) -> Principal:
        """Whose the token is; raises ``NotLetIn`` and ``ProviderAway``."""
        if credential is None or len(credential) > LONGEST:
            raise NotLetIn(WRONG)
        key = await self.keys.key(_key_id(credential))
        if key is None:
            raise NotLetIn(WRONG)
        return principal_of(_claims(credential, key, self.provider), self.provider)


def _key_id(token: str) -> str:
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError):
        raise NotLetIn(WRONG) from None
    id = header.get("kid")
    if header.get("alg") not in ALGORITHMS or not isinstance(id, str):
        raise NotLetIn(WRONG)
    return id


def _claims(token: str, key: jwt.PyJWK, provider: Provider) -> dict[str, Any]:
    try:
        found: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            audience=provider.audience,
            issuer=provider.issuer,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iss", "aud"]},
        )
    except jwt.ExpiredSignatureError:
        raise NotLetIn("the credential has expired; sign in again") from None
    except (jwt.PyJWTError, ValueError, TypeError):
        raise NotLetIn(WRONG) from None
    return found


def identities(provider: Provider) -> Identities:
    """The keeper for a provider, on a connection of its own; addresses in tokens are never asked."""
    http = httpx.AsyncClient(trust_env=False, follow_redirects=False)
    return Identities(provider, Keys(provider.jwks_url, http, provider.keys_for_s))
