"""``leadtime audit``: what was changed, and exit code 1 where the record was touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import Result
from typer.testing import CliRunner

from app.cli.main import app
from app.cli.up import BUILT_IN
from autoscaler.policy import Policy
from autoscaler.store.audit import AUDIT
from autoscaler.store.policies import PolicyStore
from collectors.store import open_store


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A fleet file whose store has two changes."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    policies = PolicyStore(open_store(url))
    policies.seed("chat", Policy(), 1_800_000_000.0)
    policies.write("chat", Policy.model_validate({"replicas": {"max": 5}}), 1, "ada", "=1+1", 1_800_000_060.0)
    file = tmp_path / "fleet.yaml"
    file.write_text(f"store: {{url: '{url}'}}\n{BUILT_IN.read_text()}")
    return file


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", *arguments, "--config", str(config)])


def test_changes_are_listed_newest_first(config: Path) -> None:
    listed = json.loads(run(config, "list", "--json").stdout)
    assert [row["who"] for row in listed] == ["ada", "configuration"]
    assert {"field": "replicas.max", "old": listed[0]["changes"][0]["old"], "new": 5} in listed[0]["changes"]
    assert "replicas.max" in run(config, "list", "--who", "ada").stdout
    assert json.loads(run(config, "list", "--json", "--text", "nothing").stdout) == []


def test_a_chain_that_holds_says_its_head(config: Path) -> None:
    verdict = json.loads(run(config, "verify", "--json").stdout)
    assert verdict["entries"] == 2 and verdict["head"] in run(config, "verify", "--head", verdict["head"]).stdout


def test_a_broken_chain_names_the_link_and_exits_with_1(config: Path, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'store.db'}").begin() as connection:
        connection.execute(sa.update(AUDIT).where(AUDIT.c.seq == 1).values(who="eve"))
    broken = run(config, "verify")
    assert broken.exit_code == 1 and "entry 1 (policy.write of chat by eve)" in broken.output
