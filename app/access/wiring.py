"""From settings to the door that is kept."""

from __future__ import annotations

from app.access.guard import Access
from app.access.keeper import Keys, Open
from app.access.principal import Role
from app.access.settings import ApiSettings
from app.access.tokens import TokenStore
from app.fleetsettings import LOOPBACK


def access_of(settings: ApiSettings, tokens: TokenStore) -> Access:
    """How this API's door is kept: without ``auth`` it is open, and answers to loopback names alone."""
    auth = settings.auth
    if auth is None:
        return Access(Open(), frozenset(LOOPBACK))
    anonymous = Role.VIEWER if auth.anonymous == "viewer" else None
    return Access(Keys(tokens if auth.tokens else None, (), anonymous), open_metrics=auth.open_metrics)
