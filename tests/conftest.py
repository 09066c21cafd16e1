"""Real parts that tests run against: skipped by name where they are missing, unless they were said to be there."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

from tests.databases import engine, postgres_url

__all__ = ["engine", "postgres_url"]

# A loaded machine is no failure: examples have no deadline.
settings.register_profile("untimed", deadline=None, max_examples=80)
settings.load_profile("untimed")


def _postgres() -> bool:
    return any(Path("/usr/lib/postgresql").glob("*/bin/postgres"))


VLLM = Path(__file__).parents[1] / ".venv-vllm/bin/python"


def vllm_python() -> str:
    """The interpreter that has vLLM, which lives in an environment of its own."""
    return os.environ.get("LEADTIME_VLLM_PYTHON") or str(VLLM)


PARTS = {
    "prometheus": (lambda: shutil.which("prometheus") is not None, "Debian package prometheus"),
    "chromium": (lambda: shutil.which("chromium") is not None, "Debian package chromium"),
    "postgres": (_postgres, "Debian package postgresql"),
    "vllm": (lambda: Path(vllm_python()).exists(), "make vllm, or LEADTIME_VLLM_PYTHON=VENV/bin/python"),
    "torch": (lambda: find_spec("torch") is not None, "Python package torch"),
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what cannot run here; fail where LEADTIME_EXPECT says that it can."""
    for name, (present, source) in PARTS.items():
        if item.get_closest_marker(name) is None or present():
            continue
        if name in os.environ.get("LEADTIME_EXPECT", "").split():
            pytest.fail(f"{name} was expected here and is missing: install {source}")
        pytest.skip(f"needs {name}: {source}")
