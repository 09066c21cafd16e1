"""Everything in one process tree: a trace is replayed to its end, and nothing is left behind."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from app.cli.up import BUILT_IN, TRUST, Kind, Ports, Run, settled, simulated_settings, trusting
from app.errors import UserError
from app.settings import Settings
from tests.app.access.test_tls import pair
from tests.app.processes import free_ports

NO_PORTS = Ports()


def built_in(home: Path, ports: Ports = NO_PORTS, one_service: bool = False) -> Settings:
    return settled(simulated_settings(None, None, one_service), home, ports, own_store=True)


def test_the_built_in_fleet_keeps_its_store_in_the_run_s_folder(tmp_path: Path) -> None:
    settings = built_in(tmp_path, Ports(1111, 2222, 3333, 4444))
    assert settings.store.url == f"sqlite:///{tmp_path}/leadtime.db"
    assert (settings.api.port, settings.console.port, settings.router.port) == (1111, 2222, 4444)
    assert settings.fleet.url == "http://127.0.0.1:3333"
    assert len(settings.services) == 3


def test_a_trace_feeds_one_service(tmp_path: Path) -> None:
    assert len(built_in(tmp_path, one_service=True).services) == 1


def test_a_real_fleet_s_parts_know_of_each_other(tmp_path: Path) -> None:
    content = simulated_settings(None, None, False)
    content["fleet"]["kind"] = "local"
    settings = settled(content, tmp_path, Ports(api=1111, router=4444), own_store=True)
    assert settings.router.wake_url == "http://127.0.0.1:1111/api/v1/services/{service}/wake"
    assert settings.source.gateway_url == "http://127.0.0.1:4444/metrics"


def test_a_fleet_file_of_another_kind_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--fleet local: .* has fleet.kind simulated"):
        simulated_settings(BUILT_IN, Kind.LOCAL, False)


def test_a_cluster_is_not_of_this_machine(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    content = yaml.safe_load(BUILT_IN.read_text())
    content["fleet"] = {"kind": "kubernetes", "kubernetes": {"namespaces": ["llm"]}}
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=r"fleet.kind kubernetes is not of this machine; give it to leadtime daemon"):
        simulated_settings(file, None, False)


def up(trace: Path, *more: str) -> subprocess.CompletedProcess[str]:
    api, fleet = free_ports(2)
    ports = ["--api-port", str(api), "--fleet-port", str(fleet), "--no-console"]
    command = [sys.executable, "-m", "app.cli.main", "up", "--trace", str(trace), *ports, *more]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_a_trace_ends_with_a_summary(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    rows = "\n".join(f"{second * 0.5},800,100" for second in range(240))
    trace.write_text(f"arrival_s,input_tokens,output_tokens\n{rows}\n")
    done = up(trace, "--speed", "600", "--json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["services"]
    assert row["requests"] == 240
    assert row["decisions"] >= 8 and row["gpu_hours"] > 0


def test_a_certificate_that_nobody_signed_is_its_own(tmp_path: Path) -> None:
    files = pair(tmp_path, "own")
    content = yaml.safe_load(BUILT_IN.read_text())
    content["services"] = content["services"][:1]
    content["api"] = {"tls": {"cert_file": str(files.cert_file), "key_file": str(files.key_file)}}
    content["store"] = {"url": f"sqlite:///{tmp_path / 'leadtime.db'}"}
    file, trace = tmp_path / "fleet.yaml", tmp_path / "trace.csv"
    file.write_text(yaml.safe_dump(content))
    trace.write_text("arrival_s,input_tokens,output_tokens\n" + "\n".join(f"{second},800,100" for second in range(30)))
    done = up(trace, "--speed", "600", "--config", str(file), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["services"][0]["decisions"] > 0
    assert "https://127.0.0.1" in done.stderr


def test_who_asks_the_api_trusts_its_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TRUST, raising=False)
    assert trusting(built_in(tmp_path)) == {}
    tls = pair(tmp_path, "own")
    settings = built_in(tmp_path)
    settings = settings.model_copy(update={"api": settings.api.model_copy(update={"tls": tls})})
    assert trusting(settings) == {TRUST: str(tls.cert_file)}
    monkeypatch.setenv(TRUST, "/etc/ours.pem")
    assert trusting(settings) == {}


def test_its_own_agent_is_known_by_its_certificate_too(tmp_path: Path) -> None:
    """At another port it still speaks HTTPS."""
    files = pair(tmp_path, "agent")
    content = yaml.safe_load(BUILT_IN.read_text())
    tls = {"cert_file": str(files.cert_file), "key_file": str(files.key_file)}
    local = {"slots": [{"cores": ["any"]}], "tls": tls}
    content["fleet"] = {"kind": "local", "url": "https://127.0.0.1:8900", "local": local}
    safe = settled(content, tmp_path, Ports(fleet=18900), own_store=True)
    run = Run(safe, tmp_path / "fleet.yaml", None, 1.0, console=False)
    assert safe.fleet.url == "https://127.0.0.1:18900"
    assert run.trust is True and isinstance(run.agent_trust, ssl.SSLContext)
    files.key_file.write_text("none")
    with pytest.raises(UserError, match=r"^fleet\.local\.tls: "):
        _ = run.agent_trust


def test_a_cut_trace_is_one_line(tmp_path: Path) -> None:
    trace = tmp_path / "trace.parquet"
    trace.write_bytes(b"PAR1 and then nothing")
    done = up(trace)
    assert done.returncode == 2
    assert str(trace) in done.stderr and done.stderr.count("\n") == 1


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    from app.cli.up import folder

    with pytest.raises(UserError, match="--state"), folder(tmp_path / "file"):
        pass
