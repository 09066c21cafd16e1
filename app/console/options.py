"""How the console's server is started: options for ``streamlit run`` and the theme in light and dark.

Loopback only, no browser of its own, no usage statistics. Options stand here and not in a configuration file, so
that an installed package and a checkout look the same. Every value is what would follow ``--key`` on the command line.
"""

from __future__ import annotations

DEFAULT_API = "http://127.0.0.1:8800"
"""Where the console looks for the API when ``LEADTIME_API`` is not set."""

SERVER: dict[str, str] = {
    "server.headless": "true",
    "server.address": "127.0.0.1",
    "server.port": "8501",
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": "false",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "type",
    "client.showErrorLinks": "false",
    "runner.magicEnabled": "false",
}

LIGHT: dict[str, str] = {
    "primaryColor": "#0b7a75",
    "backgroundColor": "#ffffff",
    "secondaryBackgroundColor": "#f3f6f7",
    "textColor": "#0d151c",
    "borderColor": "#d8dfe3",
    "dataframeHeaderBackgroundColor": "#f3f6f7",
}

DARK: dict[str, str] = {
    "primaryColor": "#2bb3a6",
    "backgroundColor": "#0f151b",
    "secondaryBackgroundColor": "#19222b",
    "textColor": "#e6edf2",
    "borderColor": "#2c3843",
    "dataframeHeaderBackgroundColor": "#19222b",
}

SHAPE: dict[str, str] = {
    "theme.baseRadius": "0.4rem",
    "theme.baseFontSize": "15",
    "theme.metricValueFontSize": "1.5rem",
    "theme.metricValueFontWeight": "600",
    "theme.paddingTop": "0.75rem",
    "theme.paddingBottom": "1rem",
}

STREAMLIT_OPTIONS: dict[str, str] = (
    SERVER
    | SHAPE
    | {f"theme.light.{key}": value for key, value in LIGHT.items()}
    | {f"theme.dark.{key}": value for key, value in DARK.items()}
)
"""Everything above by its Streamlit name; later options on a command line override earlier ones."""


def arguments(**overrides: str) -> list[str]:
    """Command-line arguments for ``streamlit run``; an override is named with ``_`` for the dot (``server_port``)."""
    options = STREAMLIT_OPTIONS | {key.replace("_", ".", 1): value for key, value in overrides.items()}
    return [f"--{key}={value}" for key, value in options.items()]
