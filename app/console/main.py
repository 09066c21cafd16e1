"""The console's entry point: page frame, navigation and the header that stands on every page.

``streamlit run app/console/main.py`` with ``options.STREAMLIT_OPTIONS``; the API's address comes from
``LEADTIME_API``. Pages are files in ``views/``: a folder named ``pages`` beside this file would make Streamlit
serve the first deep link after a start without this frame.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.console import shell, signin

ICON = Path(__file__).with_name("icon.svg")

st.set_page_config(page_title="Leadtime", page_icon=str(ICON), layout="wide")
page = st.navigation(
    [
        st.Page("views/fleet.py", title="Fleet", icon=":material/dashboard:", default=True),
        st.Page("views/service.py", title="Service", icon=":material/monitoring:"),
        st.Page("views/forecasts.py", title="Forecasts", icon=":material/insights:"),
        st.Page("views/decisions.py", title="Decisions", icon=":material/account_tree:"),
        st.Page("views/gpus.py", title="GPUs", icon=":material/memory:"),
        st.Page("views/policies.py", title="Policies", icon=":material/tune:"),
        st.Page("views/cost.py", title="Cost", icon=":material/payments:"),
        st.Page("views/plan.py", title="Plan", icon=":material/calculate:"),
        st.Page("views/audit.py", title="Audit", icon=":material/history:"),
    ],
    position="top",
)
st.logo(str(ICON))
shell.style()
if signin.gate():
    shell.header(page.title)
    shell.controls()
    page.run()
