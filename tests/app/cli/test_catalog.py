"""``leadtime catalog``: what it prints, what it writes, and how it complains."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.catalog import app
from app.errors import UserError
from tests.runtime.catalog.samples import HEADER, LINE, rows


def catalog(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A configuration with 21 rows, and one with a single row."""
    path = tmp_path / "rows.csv"
    lines = [
        LINE.replace("1024,1024,64.0", f"{r.input_tokens},{r.output_tokens},{r.concurrency}").replace(
            "28.77", f"{r.tpot_ms}"
        )
        for r in rows()
    ]
    path.write_text("\n".join([HEADER, *lines, lines[0], LINE.replace("h100_sxm", "h200_sxm")]) + "\n")
    return path


def test_list_filters_by_words_and_explains_its_marks() -> None:
    text = catalog("list", "llama", "h100", "TP2").stdout
    assert "vllm/meta-llama/Llama-3.1-70B/fp8/H100-SXM/tp2 *" in text and "tp4" not in text
    assert "* too few shapes" in text


def test_list_as_json_has_everything() -> None:
    document = json.loads(catalog("list", "vllm/meta-llama/Llama-3.1-70B/fp8/H100-SXM/tp2", "--json").stdout)
    (entry,) = document["entries"]
    assert entry["gpu"] == "H100-SXM" and entry["rows"] == 10 and entry["identified"] is False
    assert len(json.loads(catalog("list", "--json").stdout)["entries"]) > 100


def test_list_of_nothing_names_what_is_near() -> None:
    error = catalog("list", "lama-70c").exception
    assert isinstance(error, UserError) and "no entry matches 'lama-70c'; near names: " in str(error)


def test_fit_shows_writes_and_counts(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "made.csv"
    result = catalog("fit", str(table), "--out", str(out), "--source", "a test")
    assert (
        "21 rows" not in result.stdout
        and "22 distinct rows, 1 repeated; 1 configurations have too few" in result.stdout
    )
    with out.open() as file:
        (entry,) = csv.DictReader(file)
    assert entry["source"] == "a test" and float(entry["a_ms"]) == pytest.approx(16.55, rel=0.05)


def test_fit_as_json_names_what_was_not_fitted(table: Path) -> None:
    document = json.loads(catalog("fit", str(table), "--json").stdout)
    assert document["unfitted"] == ["vllm/meta-llama/Llama-3.1-70B/fp8/H200-SXM/tp2"]
    assert document["entries"][0]["source"] == "rows.csv"


def test_evaluate_is_a_table_or_json(table: Path) -> None:
    assert "a shape left out" in catalog("evaluate", str(table)).stdout
    document = json.loads(catalog("evaluate", str(table), "--json").stdout)
    errors = {e["what"]: e for e in document["errors"]}
    assert [c["name"] for c in document["configurations"]] == ["vllm/meta-llama/Llama-3.1-70B/fp8/H100-SXM/tp2"]
    assert errors["in sample"]["rows"] == 21 and errors["in sample"]["mean"] < 0.05
    assert errors["catalogue, measured"]["rows"] == 22


def test_transfer_says_from_whom() -> None:
    text = catalog("transfer", "meta-llama/Llama-3.1-8B", "--gpu", "L4", "--precision", "fp8").stdout
    assert "vllm/meta-llama/Llama-3.1-8B/fp8/L4/tp1" in text and "transferred from " in text
    document = catalog("transfer", "meta-llama/Llama-3.1-8B", "--gpu", "L4", "--json").stdout
    assert json.loads(document)["precision"] == "bf16"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fit", "absent.csv"], "absent.csv: No such file or directory; give the path of a CSV"),
        (["evaluate", "."], ".: Is a directory"),
        (["transfer", "acme/Secret-9B", "--gpu", "L4"], "model 'acme/Secret-9B' is not known"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], said: str) -> None:
    error = catalog(*arguments).exception
    assert isinstance(error, UserError) and str(error).startswith(said)


def test_a_bad_cell_is_named(table: Path) -> None:
    table.write_text(f"{HEADER}\n{LINE.replace('28.77', 'slow')}\n")
    error = catalog("evaluate", str(table)).exception
    assert isinstance(error, UserError)
    assert str(error) == f"{table}: line 2, column silicon_tpot_ms: 'slow' should be a number"


def test_out_that_cannot_be_written_is_named(table: Path, tmp_path: Path) -> None:
    error = catalog("fit", str(table), "--out", str(tmp_path)).exception
    assert isinstance(error, UserError) and "Is a directory" in str(error)
