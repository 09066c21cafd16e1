"""``leadtime simulate``: a row for people and machines, a table of requests, and one line for every mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from app.cli.main import app
from app.errors import UserError

TRACE = "arrival_s,input_tokens,output_tokens\n0,100,20\n0.5,200000,5\n1,50,1\n"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Three requests, of which the second is longer than any context."""
    path = tmp_path / "three.csv"
    path.write_text(TRACE)
    return path


def simulate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["simulate", *map(str, arguments)])


def complaint(*arguments: str | Path) -> str:
    """The one line that a mistake gives."""
    error = simulate(*arguments).exception
    assert isinstance(error, UserError) and "\n" not in str(error)
    return str(error)


def test_json_is_one_document_with_one_row(trace: Path) -> None:
    (row,) = json.loads(simulate(trace, "--pool", "chat-h100x2", "--replicas", "2", "--json").stdout)["runs"]
    assert (row["trace"], row["policy"], row["requests"], row["rejected"]) == ("three", "static-2", 3, 1)
    assert row["attainment"] == pytest.approx(2 / 3)
    assert set(row) > {"ttft_s", "tpot_s", "gpu_hours", "cost_usd", "mean_replicas", "wall_s", "preemptions"}


def test_people_get_a_table(trace: Path) -> None:
    said = simulate(trace, "--pool", "chat-h100x2", "--replicas", "1").stdout
    assert "three on 1 replicas" in said and "TTFT" in said and "3 requests, 1 rejected" in said


def test_targets_decide_what_attains(trace: Path) -> None:
    options = trace, "--pool", "chat-h100x2", "--replicas", "1", "--json"
    (strict,) = json.loads(simulate(*options, "--ttft", "0.001").stdout)["runs"]
    assert strict["attainment"] == 0.0


def test_the_table_has_a_line_per_request(trace: Path, tmp_path: Path) -> None:
    simulate(trace, "--pool", "chat-h100x2", "--replicas", "1", "--out", tmp_path / "r.parquet")
    table = pq.read_table(tmp_path / "r.parquet").to_pydict()
    assert table["input_tokens"] == [100, 200000, 50]
    assert [ttft is None for ttft in table["ttft_s"]] == [False, True, False]
    assert [tpot is None for tpot in table["tpot_s"]] == [False, True, True]


def test_mistakes_are_one_line(trace: Path, tmp_path: Path) -> None:
    options = "--replicas", "1"
    assert "near names" in complaint(trace, "--pool", "nix", *options)
    assert "no router 'x'" in complaint(trace, "--pool", "chat-h100x2", "--router", "x", *options)
    assert "no scheduler 'x'" in complaint(trace, "--pool", "chat-h100x2", "--scheduler", "x", *options)
    assert "no such file" in complaint(tmp_path / "absent.csv", "--pool", "chat-h100x2", *options)
    assert "give a file that can be written" in complaint(
        trace, "--pool", "chat-h100x2", "--out", tmp_path / "no" / "r.parquet", *options
    )


def test_a_pool_of_the_fleet_file_is_meant_where_there_is_one(trace: Path, tmp_path: Path) -> None:
    from app.cli.up import BUILT_IN

    config = tmp_path / "fleet.yaml"
    config.write_text(BUILT_IN.read_text().replace("chat-h100x2", "mine"))
    options = "--config", config, "--replicas", "1"
    assert simulate(trace, "--pool", "mine", *options).exit_code == 0
    assert "has no such pool; it has code-h100x2, mine" in complaint(trace, "--pool", "chat-h100x2", *options)


KEYED = "arrival_s,input_tokens,output_tokens,client,session,prefix_id\n" + "".join(
    f"{i},100,20,c{i % 2},s{i % 3},p{i % 4}\n" for i in range(24)
)


def replicas_of(tmp_path: Path, trace: Path, *options: str) -> list[int]:
    """Where each request went, on four replicas."""
    fleet = "--pool", "chat-h100x2", "--replicas", "4", "--out", tmp_path / "r.parquet"
    assert simulate(trace, *fleet, *options).exit_code == 0
    replicas: list[int] = pq.read_table(tmp_path / "r.parquet").to_pydict()["replica"]
    return replicas


@pytest.mark.parametrize(
    ("options", "every"),
    [
        (("--router", "session-affinity"), 3),
        (("--router", "session-affinity", "--session-by", "client"), 2),
        (("--router", "prefix-affinity"), 4),
    ],
)
def test_who_belongs_together_goes_together(tmp_path: Path, options: tuple[str, ...], every: int) -> None:
    (tmp_path / "keyed.csv").write_text(KEYED)
    went = replicas_of(tmp_path, tmp_path / "keyed.csv", *options)
    assert all(len(set(went[key::every])) == 1 for key in range(every))


def test_affinity_without_keys_is_one_line(trace: Path, tmp_path: Path) -> None:
    options = "--pool", "chat-h100x2", "--replicas", "2", "--router"
    said = complaint(trace, *options, "session-affinity")
    assert said == "--router session-affinity: the trace names no sessions; give one with a column session"
    assert "names no prefixes; give one with prefix_id" in complaint(trace, *options, "prefix-affinity")
    assert "names no clients" in complaint(trace, *options, "random", "--session-by", "client")
    clients = tmp_path / "clients.csv"
    clients.write_text("arrival_s,input_tokens,output_tokens,client\n0,1,1,a\n")
    assert complaint(clients, *options, "session-affinity").endswith("give --session-by client")
