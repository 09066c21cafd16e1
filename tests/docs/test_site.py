"""The site builds without a warning, has the pages that are made at each build, and loads nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=["']?https?://"""
    r"""|<link\b(?![^>]*\brel=["']?canonical)[^>]*\bhref=["']?https?://"""
)

pytestmark = pytest.mark.skipif(find_spec("mkdocs") is None, reason="needs mkdocs: Python package mkdocs-material")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site, built with warnings as errors."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def html(site: Path) -> dict[str, str]:
    return {path.relative_to(site).as_posix(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}


def test_every_page_is_built(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    made = {f"reference/{name}.html" for name in ("cli", "configuration", "metrics", "api")}
    assert pages | made | {"project/changelog.html", "project/contributing.html"} <= set(html(site))


def test_the_reference_is_of_this_code(site: Path) -> None:
    told = html(site)
    assert "leadtime policy apply" in told["reference/cli.html"]
    assert "leadtime_desired_replicas" in told["reference/metrics.html"]
    assert "price_usd_per_gpu_hour" in told["reference/configuration.html"]
    assert "/api/v1/policies/{service}" in told["reference/api.html"]


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    assert [(name, found) for name, text in html(site).items() for found in LOADED.findall(text)] == []
    styles = [path for path in site.rglob("*.css") if re.search(r"url\(['\"]?https?:", path.read_text("utf-8"))]
    assert styles == []


def test_the_picture_is_on_the_page_of_the_idea(site: Path) -> None:
    assert 'src="images/lead-time.svg"' in html(site)["concepts.html"]
    assert (site / "images/lead-time.svg").exists()
