"""Who looks at the console: by their own sign-in with the identity provider, or by a token that they type.

The console knows nobody itself: it passes on what was shown, and the API decides, for every request. Promises: a token
lives in the session of one browser tab and in no address, cookie or file; a console that others can reach shows
nothing with the console's own credential, or with none.
"""

from __future__ import annotations

import streamlit as st

from app.api.schemas.access import Me
from app.console import format, session, shell
from app.console.client import ApiDown, ApiRefused
from app.credential import credential
from app.fleetsettings import LOOPBACK

UNAUTHORIZED = 401
ICONS = {"viewer": ":material/visibility:", "operator": ":material/tune:", "admin": ":material/shield_person:"}


def gate() -> bool:
    """Whether the pages may be shown; where not, the sign-in stands in their place."""
    try:
        me = shell.api().me()
    except ApiDown:
        return True  # the header says so, and how to start it
    except ApiRefused as refusal:
        if refusal.status != UNAUTHORIZED:
            raise
        ask(refusal.detail)
        return False
    if me is not None and shared(me):
        refuse()
        return False
    if me is not None and me.by != "loopback":
        badge(me)
    return True


def shared(me: Me) -> bool:
    """Whether everybody who reaches this console would act as one and the same."""
    nobody = session.own() is None
    return nobody and (me.by == "loopback" or credential() is not None) and not on_loopback()


def on_loopback() -> bool:
    """Whether only this machine reaches the console."""
    return st.get_option("server.address") in LOOPBACK


def refuse() -> None:
    """Why nothing is shown."""
    st.error(
        "**Not shown.** Others can reach this console, and it would act for all of them alike. Configure `api.auth` "
        "in the fleet file and leave `LEADTIME_TOKEN` out of the console's environment, or serve it on 127.0.0.1.",
        icon=":material/lock:",
    )


def ask(detail: str) -> None:
    """The sign-in in place of a page."""
    st.markdown("# Leadtime")
    st.markdown("## Sign in")
    if session.own():
        st.error(format.escape(detail), icon=":material/lock:")
    else:
        st.info("This fleet asks who looks. Nothing is shown before.", icon=":material/lock:")
    forms()


def forms() -> None:
    """The ways to say who one is."""
    if session.provider():
        st.button("Sign in with your organisation", type="primary", on_click=st.login, icon=":material/login:")
    with st.form("sign-in", border=False, width=420):
        st.text_input("API token", type="password", key="sign-in-token", placeholder="leadtime_…", autocomplete="off")
        st.form_submit_button("Sign in", on_click=take, icon=":material/key:")
    st.caption("An admin makes a token with `leadtime token create`. This tab alone keeps it, until you reload it.")


def take() -> None:
    """Keep what was typed for this session, and the widget's own copy no longer."""
    session.keep(st.session_state.pop("sign-in-token", "").strip() or None)


def badge(me: Me) -> None:
    """Who is signed in, and the way out."""
    name = me.name or "anonymous"
    icon = ICONS[me.role.value]
    with st.popover(f"{format.escape(name)} · {me.role.value}", icon=icon, key="who", width="content"):
        reach = "all services" if me.services is None else ", ".join(me.services)
        st.markdown(f"**{format.escape(name)}**, {me.role.value} of {format.escape(reach)}")
        if me.by == "nothing":
            forms()
        elif session.from_provider() == session.own():
            st.button("Sign out", on_click=st.logout, icon=":material/logout:", disabled=session.own() is None)
        else:
            st.button("Sign out", on_click=leave, icon=":material/logout:")


def leave() -> None:
    """Forget the token."""
    session.keep(None)
