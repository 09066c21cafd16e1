"""``leadtime forecast evaluate``: tables for people, one document for machines, a line for every mistake."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from app.cli.main import app
from app.errors import UserError
from tests.forecasting.series import diurnal, minutes


def written(path: Path, days: float) -> Path:
    counts = np.rint(40 * diurnal(minutes(days))).astype(int)
    rows = [f"{minute},{n},{100 * n},{20 * n}" for minute, n in enumerate(counts.tolist())]
    path.write_text("minute,requests,input_tokens,output_tokens\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day and a half of minutes."""
    return written(tmp_path_factory.mktemp("series") / "chat.csv", 1.5)


def evaluate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["forecast", "evaluate", *map(str, arguments)])


def complaint(*arguments: str | Path) -> str:
    """The one line that a mistake gives."""
    error = evaluate(*arguments).exception
    assert isinstance(error, UserError) and "\n" not in str(error)
    return str(error)


def test_json_is_one_document(series: Path) -> None:
    (told,) = json.loads(evaluate(series, "--target", "end", "--json").stdout)["series"]
    assert (told["series"], told["of"], told["unit"], told["minutes"]) == ("chat", "load", "erlangs", 2160)
    (made,) = told["evaluations"]
    assert made["target"] == "end" and made["horizons_s"] == [60, 300, 600, 900, 1800, 3600]
    assert {"combined", "naive", "seasonal_naive", "seasonal"} <= {row["forecast"] for row in made["forecasts"]}
    assert made["scored_from_minute"] == 1440


def test_people_get_tables(series: Path) -> None:
    said = evaluate(series, "--of", "requests", "--target", "peak").stdout
    assert "chat, requests, greatest value within the horizon: loss / naive (last value)" in said
    assert "coverage of the combined forecast" in said and "what holding the P95 costs" in said


def test_a_folder_gets_the_document(series: Path, tmp_path: Path) -> None:
    evaluate(series, "--target", "end", "--inject-outages", "--out", tmp_path / "new")
    told = json.loads((tmp_path / "new" / "forecast.json").read_text())
    assert told["series"][0]["series"] == "chat" and told["series"][0]["evaluations"][0]["outages"]
    assert (tmp_path / "new" / "chat.html").read_text().startswith("<!doctype html>")


def test_mistakes_are_one_line(series: Path, tmp_path: Path) -> None:
    assert "absent.csv: no such file; give the path of a series" in complaint("absent.csv")
    assert "--tau 0.42: not a quantile that is forecast; give one of 0.5" in complaint(series, "--tau", "0.42")
    assert "--pool 'nope' is not in the catalogue" in complaint(series, "--pool", "nope")
    short = written(tmp_path / "short.csv", 0.5)
    assert "short: holds 12.0 hours; a day to train on and two hours to score are needed" in complaint(short)
    assert "two series are called chat, and each gets a page" in complaint(series, series, "--out", tmp_path)
    (tmp_path / "file").write_text("")
    assert "give a folder that can be written" in complaint(series, "--target", "end", "--out", tmp_path / "file")
