"""The command on minutes of traffic: what it prints, writes and refuses, and what Ctrl-C leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from app.cli import tune
from app.cli.main import app
from app.errors import UserError
from autoscaler.policy import Policy
from tests.autoscaler.backtest import cases

SMALL = ("--screen", "60", "--confirm", "2", "--against", "hpa", "--no-cache")


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten minutes of traffic that triples."""
    path, made = tmp_path_factory.mktemp("traces") / "minutes.csv", cases.trace()
    rows = zip(made.arrival_s, made.input_tokens, made.output_tokens, strict=True)
    lines = ["arrival_s,input_tokens,output_tokens", *(f"{at},{i},{o}" for at, i, o in rows)]
    path.write_text("\n".join(lines))
    return path


def tuned(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["tune", *arguments, *SMALL, "--json"])
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)["tunings"][0]
    return document


def without_wall(value: Any) -> Any:
    """The document without how long things took."""
    if isinstance(value, dict):
        return {key: without_wall(part) for key, part in value.items() if key != "wall_s"}
    return [without_wall(part) for part in value] if isinstance(value, list) else value


def test_json_tells_all_and_the_policy_is_written(trace: Path, tmp_path: Path) -> None:
    out = tmp_path / "policy.yaml"
    document = tuned(str(trace), "--out", str(out))
    assert document["screened"] == 61
    assert [row["policy"] for row in document["peers"]] == ["hpa"]
    assert set(document["validation"]) == {"recommended", "now"}
    assert any(entry["on_front"] for entry in document["confirmed"])
    assert document["recommended"]["policy"] == yaml.safe_load(out.read_text())
    Policy.model_validate(document["recommended"]["policy"])
    again = tuned(str(trace))
    assert without_wall(again) == without_wall(document)


def test_people_get_a_table_and_sentences(trace: Path) -> None:
    said = CliRunner().invoke(app, ["tune", str(trace), *SMALL]).stdout
    assert "leadtime now" in said and "hpa" in said and "chosen" in said
    assert "Validation on the unseen rest" in said


@pytest.fixture
def found(trace: Path) -> tune.Found:
    """Nothing known yet."""
    return tune.begin(cases.case(), 0.5)


@pytest.mark.parametrize(
    ("stage", "said"),
    [("confirm_best", "nothing was simulated"), ("validate", "before it was validated")],
)
def test_ctrl_c_leaves_what_was_found(
    found: tune.Found, stage: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tune, stage, interrupted)
    tune.search(found, tune.Effort(20, 1, [], 0, 2, None))
    assert found.interrupted and len(found.screened) == 21
    assert said in " ".join(tune.findings(found))
    tune.write(found, tmp_path / "policy.yaml")
    assert (tmp_path / "policy.yaml").is_file() == (found.choice() is not None)
    json.dumps(tune.document(found))


def test_a_missed_promise_is_said(found: tune.Found) -> None:
    tune.search(found, tune.Effort(20, 1, [], 0, 2, None))
    found.validation["recommended"] = found.validation["recommended"] | {"attainment": 0.5}
    assert "MISSES the promise" in " ".join(tune.findings(found))
    assert tune.meets(found) is False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["absent.csv"], "absent.csv"),
        (["a.csv", "b.csv", "--out", "p.yaml"], "one policy, and 2 traces make as many"),
        (["absent.csv", "--against", "nobody"], "nobody: not known"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        CliRunner().invoke(app, ["tune", *arguments], catch_exceptions=False)


def test_a_trace_too_short_is_refused() -> None:
    with pytest.raises(UserError, match="give a longer trace"):
        tune.begin(cases.case(cases.requests((0.0, 100, 10))), 0.5)
