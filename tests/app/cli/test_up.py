"""Everything in one process tree: a trace is replayed to its end, and nothing is left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.up import settled
from app.errors import UserError
from tests.app.processes import free_ports


def test_the_built_in_fleet_keeps_its_store_in_the_run_s_folder(tmp_path: Path) -> None:
    settings = settled(None, None, tmp_path, 1111, 2222, 3333)
    assert settings.store.url == f"sqlite:///{tmp_path}/leadtime.db"
    assert (settings.api.port, settings.console.port) == (1111, 2222)
    assert settings.fleet.url == "http://127.0.0.1:3333"
    assert len(settings.services) == 3


def test_a_trace_feeds_one_service(tmp_path: Path) -> None:
    assert len(settled(None, tmp_path / "trace.csv", tmp_path, None, None, None).services) == 1


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
