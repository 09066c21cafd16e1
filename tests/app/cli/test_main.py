"""The command line as a whole: light to start, and a mistake is one line and exit code 2."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

HEAVY = ("numpy", "numba", "pandas", "streamlit", "fastapi", "sqlalchemy", "pydantic", "httpx")


def leadtime(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_help_imports_nothing_heavy() -> None:
    code = f"import sys, app.cli.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_version_is_the_package_s() -> None:
    done = leadtime("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"leadtime {version('leadtime')}\n", "")


def test_help_lists_the_commands() -> None:
    text = leadtime("--help").stdout
    assert "Keeps fleets of LLM serving replicas exactly as large" in text and "--version" in text
    assert all(name in text for name in ("up", "daemon", "console", "policy", "explain", "doctor"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["daemon", "--config", "absent.yaml"], "absent.yaml: no such file"),
        (["up", "--trace", "absent.csv"], "absent.csv: no such file"),
        (["up", "--fleet", "kubernetes"], "--fleet kubernetes: not available; give simulated or local"),
        (["policy", "list", "--api", "http://127.0.0.1:1"], "http://127.0.0.1:1: no answer from the API"),
        (["explain", "chat", "--at", "noon"], "--at noon: not a time"),
        (["doctor", "--config", "absent.yaml"], "absent.yaml: no such file"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments: list[str], said: str) -> None:
    done = leadtime(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = leadtime("up", "--api-port", str(port), "--fleet-port", "18990", "--console-port", "18991")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: 127.0.0.1:{port}: port in use; give the API another port")


def test_a_wrong_prometheus_is_named(tmp_path: Path) -> None:
    built_in = (Path(__file__).parents[3] / "app" / "cli" / "simulated.yaml").read_text()
    config = tmp_path / "fleet.yaml"
    config.write_text("api: {port: 18992}\nsource: {kind: prometheus, url: 'http://127.0.0.1:1'}\n" + built_in)
    done = leadtime("daemon", "--config", str(config), cwd=tmp_path)
    assert done.returncode == 2
    assert "http://127.0.0.1:1" in done.stderr and done.stderr.count("\n") == 1


def test_a_store_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    built_in = (Path(__file__).parents[3] / "app" / "cli" / "simulated.yaml").read_text()
    config = tmp_path / "fleet.yaml"
    config.write_text("api: {port: 18992}\nstore: {url: 'sqlite:////nowhere/at/all.db'}\n" + built_in)
    done = leadtime("daemon", "--config", str(config))
    assert done.returncode == 2
    assert "/nowhere/at/all.db" in done.stderr and done.stderr.count("\n") == 1


def test_the_schema_is_one_json_document() -> None:
    schema = json.loads(leadtime("doctor", "--schema").stdout)
    assert "services" in schema["properties"]


def test_doctor_reports_as_json() -> None:
    checks = {check["name"]: check for check in json.loads(leadtime("doctor", "--json").stdout)["checks"]}
    assert checks["python"]["status"] == "ok"
    assert checks["API"]["status"] in ("ok", "warn")


def test_doctor_fails_where_the_api_it_was_given_is_not_there() -> None:
    done = leadtime("doctor", "--json", "--api", "http://127.0.0.1:1")
    assert done.returncode == 1
    assert next(c for c in json.loads(done.stdout)["checks"] if c["name"] == "API")["status"] == "fail"
