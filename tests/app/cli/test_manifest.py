"""``leadtime manifest``: options become documents, mistakes one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from app.cli.main import app
from app.errors import UserError
from app.manifests.yamlout import document
from tests.app.manifests.test_agentpools import SHARED

FLEET = Path(__file__).parents[3] / "app" / "cli" / "simulated.yaml"


def manifest(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["manifest", *arguments])


def test_options_are_enough() -> None:
    made = manifest("chat", "--model", "m", "--gpus", "2", "-n", "llm", "--env", "A=b=c", "--arg=--max-num-seqs=8")
    deployment, service, budget = yaml.safe_load_all(made.stdout)
    assert [each["kind"] for each in (deployment, service, budget)] == ["Deployment", "Service", "PodDisruptionBudget"]
    assert {each["metadata"]["namespace"] for each in (deployment, service, budget)} == {"llm"}
    engine = deployment["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "A", "value": "b=c"} in engine["env"] and engine["args"][-1] == "--max-num-seqs=8"


def test_a_pool_of_the_file_with_its_policy() -> None:
    made = manifest("--config", str(FLEET), "--pool", "chat-h100x2", "--model", "m", "--policy", "--nodes", "2")
    *_, policy = yaml.safe_load_all(made.stdout)
    assert policy["spec"]["service"] == "chat" and policy["spec"]["targetRef"]["pool"] == "chat-h100x2"
    assert policy["spec"]["targetRef"]["kind"] == "LeaderWorkerSet"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "the name is missing"),
        (("chat",), "the model is missing"),
        (("chat", "--model", "m", "--weights", "nfs:/x"), "give empty, pvc:NAME"),
        (("chat", "--model", "m", "--env", "A"), "give KEY=VALUE"),
        (("Chat", "--model", "m"), "DNS label"),
        (("chat", "--model", "m", "--tls-secret", "s"), "--tls-secret is of agents; give --agent"),
        (("--config", str(FLEET)), "--pool is missing"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], said: str) -> None:
    result = manifest(*arguments)
    assert isinstance(result.exception, UserError) and said in str(result.exception)


def test_agent_pods_are_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(document(SHARED.model_dump(mode="json", exclude_unset=True)))
    made = manifest("--agent", "--config", str(file), "--gpus", "4", "--image", "i", "-n", "llm", "--weights", "pvc:m")
    kinds = [each["kind"] for each in yaml.safe_load_all(made.stdout)]
    assert kinds == ["ConfigMap", "StatefulSet", "Service", "PodDisruptionBudget"]
    made = manifest("--agent", "--config", str(file), "--gpus", "4", "--image", "i", "--tls-secret", "agents-tls")
    assert "secretName: agents-tls" in made.stdout and "scheme: HTTPS" in made.stdout
    assert "--config is missing" in str(manifest("--agent").exception)
