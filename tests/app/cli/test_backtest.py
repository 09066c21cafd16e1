"""Policies against each other on a small trace, as a user would ask for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from app.cli.up import BUILT_IN
from tests.autoscaler.backtest.vllm_history import FROM_S, made, remembering, scrapes

SPAN = ("--from", "2026-01-05T00:00Z", "--to", f"{FROM_S + 1800}")


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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give traces, or --prometheus URL"),
        (("{trace}", "--prometheus", "http://127.0.0.1:1"), "give traces, or --prometheus URL"),
        (("--prometheus", "http://127.0.0.1:1", "--from", "2026-01-05"), "--to is missing; give both times"),
        (("--prometheus", "http://127.0.0.1:1", *SPAN), "http://127.0.0.1:1 cannot be reached"),
        (("--prometheus", "nonsense", *SPAN), "Prometheus at nonsense is no address"),
        (("--prometheus", "u", "--from", "9", "--to", "2"), "--from 9: not before --to 2"),
        (("--prometheus", "u", "--from", "noon", "--to", "2"), "--from noon: not a time; give 2026-01-31T14:20"),
        (("--prometheus", "u", *SPAN, "--model", "a,b,c,d"), "4 models for 3 services"),
        (("--prometheus", "u", *SPAN, "--model", "code,code"), "two of them are one service's"),
    ],
)
def test_one_line_per_mistake_about_a_history(
    tmp_path: Path, trace: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = run(tmp_path, *(argument.format(trace=trace) for argument in arguments))
    assert done.returncode == 2
    assert said in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.prometheus
def test_the_history_of_a_prometheus_is_played_and_its_gaps_are_told(tmp_path: Path) -> None:
    replicas = {"a": made(30, (60, 120), 1), "b": made(30, (90,), 2)}
    with remembering(tmp_path, scrapes(replicas, "llama", 30, (600.0, 900.0))) as url:
        asked = ("--prometheus", url, *SPAN, "--model", "llama", "--against", "hpa")
        told = run(tmp_path, *asked, "--json")
        shown = run(tmp_path, *asked)
        nothing = run(tmp_path, *asked[:-4], "--json")
    document = json.loads(told.stdout)
    assert [row["policy"] for row in document["runs"]] == ["leadtime", "hpa"]
    # The minute before the hole broke off with its last scrape, so 24 of 30 minutes are known.
    assert document["gaps"] == [{"service": "chat", "from_s": FROM_S + 540, "to_s": FROM_S + 900, "steps": 6}]
    known = sum(int(((r.arrival_s < 540) | (r.arrival_s >= 900)).sum()) for r in replicas.values())
    assert {row["requests"] for row in document["runs"]} == {known}
    gap = "chat: 6 steps without data, nothing is played in these 1 gap(s): 2026-01-05 00:09:00 to 2026-01-05 00:15:00"
    assert gap in told.stderr and gap in shown.stderr
    assert shown.returncode == 0 and "llama as chat-h100x2" in shown.stdout and "hpa" in shown.stdout
    assert nothing.returncode == 2 and "of llama and not of chat; give --model" in nothing.stderr


def test_ours_plays_with_all_pools_and_it_is_said_who_does(tmp_path: Path, trace: Path) -> None:
    fleet = yaml.safe_load(BUILT_IN.read_text())
    first = fleet["services"][0]["pools"][0]
    fleet["services"][0]["pools"].append(first | {"name": "chat-cheap", "price_usd_per_gpu_hour": 0.1})
    file = tmp_path / "fleet.yaml"
    file.write_text(yaml.safe_dump(fleet))
    asked = (str(trace), "--config", str(file), "--against", "hpa")
    found = rows(run(tmp_path, *asked, "--json"))
    assert found["leadtime"]["pools"] == ["chat-h100x2", "chat-cheap"] and found["hpa"]["pools"] == ["chat-h100x2"]
    assert "the peers, and the bound below, with chat-h100x2 alone" in run(tmp_path, *asked).stdout.replace("\n", " ")
