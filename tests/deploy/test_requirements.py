"""The image installs what the project says."""

from __future__ import annotations

import importlib.util

import pytest

from tests.deploy.charts import ROOT

SPEC = importlib.util.spec_from_file_location("requirements", ROOT / "deploy" / "requirements.py")
assert SPEC is not None and SPEC.loader is not None
module = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(module)


def test_dependencies_with_those_of_the_extras() -> None:
    plain = module.requirements(ROOT / "pyproject.toml", [])
    more = module.requirements(ROOT / "pyproject.toml", ["postgres", "fast"])
    assert any(line.startswith("fastapi") for line in plain) and not any("psycopg" in line for line in plain)
    assert set(plain) < set(more) and any("psycopg" in line for line in more)


def test_an_extra_that_there_is_not() -> None:
    with pytest.raises(KeyError):
        module.requirements(ROOT / "pyproject.toml", ["nothing"])
