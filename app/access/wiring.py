"""From settings to the door that is kept."""

from __future__ import annotations

import importlib.util

from app.access.guard import Access
from app.access.keeper import Keeper, Keys, Open
from app.access.limits import Buckets, Limits, Rate
from app.access.principal import Role
from app.access.settings import ApiSettings, JwtSettings, LimitSettings
from app.access.tokens import TokenStore
from app.errors import UserError
from app.fleetsettings import LOOPBACK


def access_of(settings: ApiSettings, tokens: TokenStore) -> Access:
    """How this API's door is kept: without ``auth`` it is open, and answers to loopback names alone."""
    auth, limits = settings.auth, limits_of(settings.limits)
    if auth is None:
        return Access(Open(), frozenset(LOOPBACK), limits=limits)
    others = () if auth.jwt is None else (keeper_of(auth.jwt),)
    anonymous = Role.VIEWER if auth.anonymous == "viewer" else None
    keeper = Keys(tokens if auth.tokens else None, others, anonymous)
    return Access(keeper, open_metrics=auth.open_metrics, limits=limits)


def limits_of(settings: LimitSettings) -> Limits:
    """Empty buckets are full ones: nobody has asked yet."""
    per_s = settings.failures_per_min / 60
    failures = Rate(per_s, max(1, round(settings.failures_per_min)))
    return Limits(Buckets(Rate(settings.requests_per_s, settings.burst)), Buckets(failures))


def keeper_of(jwt: JwtSettings) -> Keeper:
    """The identity provider's; raises ``UserError`` where the extra is not installed."""
    if importlib.util.find_spec("jwt") is None:
        raise UserError("api.auth.jwt: pyjwt is not installed; pip install 'leadtime[auth]'")
    from app.access.identity import Provider, identities

    return identities(Provider(**jwt.model_dump()))
