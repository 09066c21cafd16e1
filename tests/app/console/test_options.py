"""How the console is started: options that Streamlit knows, on loopback, without telling anyone."""

from __future__ import annotations

from streamlit import config

from app.console.options import DARK, LIGHT, STREAMLIT_OPTIONS, arguments


def test_streamlit_knows_every_option() -> None:
    assert set(STREAMLIT_OPTIONS) <= set(config.get_config_options())


def test_the_console_is_headless_on_loopback_and_tells_nobody() -> None:
    assert STREAMLIT_OPTIONS["server.address"] == "127.0.0.1"
    assert STREAMLIT_OPTIONS["server.headless"] == "true"
    assert STREAMLIT_OPTIONS["browser.gatherUsageStats"] == "false"


def test_light_and_dark_set_the_same_things() -> None:
    assert LIGHT.keys() == DARK.keys()


def test_arguments_may_be_overridden() -> None:
    found = arguments(server_port="9000")
    assert "--server.port=9000" in found
    assert not any(item == "--server.port=8501" for item in found)
    assert "--theme.light.primaryColor=#0b7a75" in found
