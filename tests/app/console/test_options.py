"""How the console is started: options that Streamlit knows, on loopback, without telling anyone."""

from __future__ import annotations

import pytest
from streamlit import config

from app.console.options import DARK, LIGHT, STREAMLIT_OPTIONS, arguments

FADED = 0.6
"""Streamlit writes captions and the heads of tables in the text's colour, so much of it over the background."""


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


def light(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2.2)."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def mixed(front: str, back: str, share: float) -> str:
    """A colour laid over another."""
    pairs = [(int(front[i : i + 2], 16), int(back[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("share", [1.0, FADED])
def test_words_can_be_read_on_every_background(theme: dict[str, str], share: float) -> None:
    for name in ("backgroundColor", "secondaryBackgroundColor", "dataframeHeaderBackgroundColor"):
        back = theme[name]
        pair = light(mixed(theme["textColor"], back, share)), light(back)
        assert (max(pair) + 0.05) / (min(pair) + 0.05) >= 4.5, name
