"""From settings to the door that is kept."""

from __future__ import annotations

import importlib.util

from app.access.guard import Access
from app.access.keeper import Keeper, Keys, Open
from app.access.principal import Role
from app.access.settings import ApiSettings, JwtSettings
from app.access.tokens import TokenStore
from app.errors import UserError
from app.fleetsettings import LOOPBACK


def access_of(settings: ApiSettings, tokens: TokenStore) -> Access:
    """How this API's door is kept: without ``auth`` it is open, and answers to loopback names alone."""
    auth = settings.auth
    if auth is None:
        return Access(Open(), frozenset(LOOPBACK))
    others = () if auth.jwt is None else (keeper_of(auth.jwt),)
    anonymous = Role.VIEWER if auth.anonymous == "viewer" else None
    return Access(Keys(tokens if auth.tokens else None, others, anonymous), open_metrics=auth.open_metrics)


def keeper_of(jwt: JwtSettings) -> Keeper:
    """The identity provider's; raises ``UserError`` where the extra is not installed."""
    if importlib.util.find_spec("jwt") is None:
        raise UserError("api.auth.jwt: pyjwt is not installed; pip install 'leadtime[auth]'")
    from app.access.identity import Provider, identities

    return identities(Provider(**jwt.model_dump()))
