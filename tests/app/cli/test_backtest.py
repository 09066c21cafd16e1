"""Policies against each other on a small trace, as a user would ask for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Ten minutes, at first two requests a second, then twenty."""
    times = [*(i * 0.5 for i in range(600)), *(300 + i * 0.05 for i in range(6000))]
    path = tmp_path / "trace.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n" + "".join(f"{t:.3f},1200,120\n" for t in times))
    return path


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.cli.main", "backtest", *arguments]
    environment = {**os.environ, "XDG_CACHE_HOME": str(home)}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, env=environment)


def rows(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, float]]:
    assert done.returncode == 0, done.stderr
    return {row["policy"]: row for row in json.loads(done.stdout)["runs"]}


def test_contenders_meet_the_same_traffic_and_rows_are_kept(tmp_path: Path, trace: Path) -> None:
    first = rows(run(tmp_path, str(trace), "--against", "hpa,keda-slo", "--json"))
    assert list(first) == ["leadtime", "hpa", "keda-slo"]
    assert {row["requests"] for row in first.values()} == {6600}
    assert all(0 < row["attainment"] <= 1 and row["gpu_hours"] > 0 for row in first.values())
    again = rows(run(tmp_path, str(trace), "--against", "hpa", "--json"))
    assert again["leadtime"] == first["leadtime"], "to the wall time: it came from the cache"
    anew = rows(run(tmp_path, str(trace), "--against", "", "--no-cache", "--json"))
    same = {name: value for name, value in first["leadtime"].items() if name != "wall_s"}
    assert {name: anew["leadtime"][name] for name in same} == same, "deterministic for its seed"


def test_a_table_for_people(tmp_path: Path, trace: Path) -> None:
    done = run(tmp_path, str(trace), "--against", "hpa")
    assert done.returncode == 0, done.stderr
    assert "trace.csv as chat-h100x2" in done.stdout
    assert "leadtime" in done.stdout and "hpa" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.csv",), "nowhere.csv"),
        (("{trace}", "--against", "hpa,nobody"), "--against nobody: not known; give any of leadtime, hpa"),
        (("{trace}", "{trace}", "{trace}", "{trace}"), "4 traces for 3 services"),
        (("{trace}", "--policy", "nowhere.yaml"), "nowhere.yaml: no such file"),
    ],
)
def test_one_line_per_mistake(tmp_path: Path, trace: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run(tmp_path, *(argument.format(trace=trace) for argument in arguments))
    assert done.returncode == 2
    assert said in done.stderr and done.stderr.count("\n") == 1
