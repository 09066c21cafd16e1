"""What is committed is what the code gives, and the command writes it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer import Typer
from typer.testing import CliRunner

from dashboards.__main__ import write
from dashboards.files import BEGIN, END, files, renewed
from dashboards.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "dashboards"
DOC = ROOT / "docs" / "dashboards.md"
AGAIN = "run: python -m dashboards dashboards --doc docs/dashboards.md"
MADE = files(Settings())


@pytest.mark.parametrize("name", MADE)
def test_committed_files_are_those_that_are_generated(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == MADE[name], AGAIN


def test_nothing_else_lies_beside_them() -> None:
    there = {str(path.relative_to(FOLDER)) for kind in ("grafana", "prometheus") for path in (FOLDER / kind).iterdir()}
    assert there == set(MADE)


def test_the_runbook_is_that_of_the_alerts() -> None:
    text = DOC.read_text(encoding="utf-8")
    assert renewed(text, Settings()) == text, AGAIN


def test_every_alert_says_how_bad_how_long_what_and_where() -> None:
    headings = [line[4:].lower() for line in DOC.read_text(encoding="utf-8").splitlines() if line.startswith("### ")]
    anchors = []
    for group in yaml.safe_load(MADE["prometheus/alerts.yaml"])["groups"]:
        for rule in group["rules"]:
            told = rule["annotations"]
            assert rule["labels"]["severity"] in ("critical", "warning", "info") and rule["for"]
            assert told["summary"] and "Console: http" in told["description"]
            anchors.append(told["runbook_url"].removeprefix("docs/dashboards.md#"))
    assert anchors == headings and len(set(anchors)) == len(anchors)


def test_the_command_writes_files_for_an_objective_and_addresses(tmp_path: Path) -> None:
    app = Typer()
    app.command()(write)
    doc = tmp_path / "doc.md"
    doc.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    options = ["--objective", "0.95", "--console", "https://c.test/", "--runbook", "https://r.test", "--doc", str(doc)]
    done = CliRunner().invoke(app, [str(tmp_path), *options])
    assert done.exit_code == 0, done.output
    text = (tmp_path / "prometheus/alerts.yaml").read_text(encoding="utf-8")
    assert "ratio_rate1h > 0.72" in text and "https://c.test/service" in text and "https://r.test#leadtimeslo" in text
    assert "\nold\n" not in doc.read_text(encoding="utf-8") and doc.read_text(encoding="utf-8").endswith("after\n")


@pytest.mark.parametrize("objective", ["0.5", "1"])
def test_an_objective_that_cannot_burn_is_refused(objective: str, tmp_path: Path) -> None:
    app = Typer()
    app.command()(write)
    done = CliRunner().invoke(app, [str(tmp_path), "--objective", objective])
    assert done.exit_code == 2 and "from 0.94 to below 1" in done.output
    assert not list(tmp_path.iterdir())


def test_a_document_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="must have one line"):
        renewed("nothing", Settings())
