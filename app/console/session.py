"""The credential of whoever looks: what they typed, what the identity provider gave, or the environment's.

It is kept in the session of one browser tab, and in no address, cookie or file of ours.
"""

from __future__ import annotations

import streamlit as st

from app.credential import credential

KEY = "signed-in-token"


def shown() -> str | None:
    """What the API is shown."""
    return own() or credential()


def own() -> str | None:
    """What whoever looks has shown themselves; None where they have not signed in."""
    typed: str | None = st.session_state.get(KEY)
    return typed or from_provider()


def from_provider() -> str | None:
    """The token that the identity provider gave; None where nobody has signed in with one."""
    if not provider() or not st.user.is_logged_in:
        return None
    tokens = st.user.tokens
    return tokens.get("access") or tokens.get("id")


def provider() -> bool:
    """Whether secrets.toml names an identity provider."""
    return bool(st.secrets.load_if_toml_exists()) and "auth" in st.secrets


def keep(token: str | None) -> None:
    """Show this one from now on; None forgets it."""
    st.session_state[KEY] = token
