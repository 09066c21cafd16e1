"""The fleet file's page has every key of every section, with unit, default, bounds and meaning."""

from __future__ import annotations

import pytest

from app.reference import settings
from app.settings import SourceSettings
from tests.docs.pages import broken_anchors


@pytest.fixture(scope="module")
def told() -> str:
    return settings.page()


def test_every_key_of_every_section(told: str) -> None:
    sections = {part.partition("\n")[0]: part for part in told.split("\n## ")[1:]}
    for _, title, model in settings.sections():
        missing = [name for name in model.model_fields if f"| `{name}` |" not in sections[title]]
        assert not missing, (title, missing)


def test_every_key_has_a_meaning(told: str) -> None:
    assert [line for line in told.splitlines() if line.startswith("| `") and line.endswith("| – |")] == []


def test_a_key_with_everything() -> None:
    row = "| `interval_s` | number (≥ 1, ≤ 300) | s | `15` | Time between two ticks, seconds. |"
    assert row in settings.rows(SourceSettings, "source.")


@pytest.mark.parametrize(
    ("name", "unit"),
    [("ttft_s", "s"), ("a_ms", "ms"), ("price_usd_per_gpu_hour", "USD per GPU-hour"), ("kv_blocks", "–")],
)
def test_units_are_those_of_the_names(name: str, unit: str) -> None:
    assert settings.unit(name) == unit


def test_sections_are_linked(told: str) -> None:
    assert broken_anchors(told) == []
