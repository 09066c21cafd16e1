"""From settings and a trace to a fleet that can be served, or to one line that says what is wrong."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.errors import UserError
from app.settings import ServiceSettings, Settings, load
from app.simulation import fleet_spec, load_of, morning, simulated
from runtime.simulated.outcomes import LatencyTarget
from runtime.simulated.workload import SyntheticWorkload, default_services
from tests.app.test_settings import GOOD, RACKED, written

BUILT_IN = Path(__file__).parents[2] / "app" / "cli" / "simulated.yaml"
FAST = 60.0


def settings(folder: Path, text: str = GOOD) -> Settings:
    return load(written(folder, text))


def service(folder: Path, name: str = "chat") -> ServiceSettings:
    return settings(folder, GOOD.replace("name: chat\n", f"name: {name}\n")).services[0]


def trace(folder: Path, rows: str, name: str = "trace.csv") -> Path:
    path = folder / name
    path.write_text(f"arrival_s,input_tokens,output_tokens\n{rows}")
    return path


def test_a_service_keeps_its_promise_and_has_room_for_twice_its_policy(tmp_path: Path) -> None:
    made = simulated(service(tmp_path))
    assert made.target == LatencyTarget(1.5, 0.0, 0.05)
    assert (made.initial_active, made.max_replicas) == (1, 8)
    assert (made.pool.name, made.pool.service, made.pool.gpus_per_replica) == ("chat-h100", "chat", 2)


def test_the_built_in_fleet_serves_the_built_in_workload() -> None:
    spec = fleet_spec(load(BUILT_IN), FAST, None)
    assert spec.workload.services == tuple(s.name for s in spec.services) == ("chat", "code", "summarize")
    assert (spec.speed, spec.workload.end_s) == (FAST, None)
    world = spec.world()
    world.run_until(world.now_s + 60)
    assert all(world.arrived)
    assert all(outcome.requests for outcome in world.outcomes)


def test_the_same_seed_gives_the_same_requests() -> None:
    built_in = load(BUILT_IN)
    one, same, other = (fleet_spec(built_in, FAST, None, seed).workload for seed in (3, 3, 4))
    until_s = one.start_s + 300
    first = one.arrivals(one.start_s, until_s).arrival_s
    assert first.tolist() == same.arrivals(one.start_s, until_s).arrival_s.tolist()
    assert first.tolist() != other.arrivals(one.start_s, until_s).arrival_s.tolist()


@pytest.mark.parametrize(("day", "starts"), [(5, 5), (9, 9), (10, 9), (11, 9), (12, 12)])
def test_virtual_time_begins_before_the_peak_of_the_newest_working_day(day: int, starts: int) -> None:
    """The 5th of January 2026 was a Monday, the 9th a Friday; whatever the time of day."""
    for hour in (0, 23):
        assert morning(datetime(2026, 1, day, hour, 59, 58, tzinfo=UTC)) == datetime(2026, 1, starts, 8, 55, tzinfo=UTC)


def test_at_real_speed_time_begins_now(tmp_path: Path) -> None:
    before_s = time.time()
    for path in (None, trace(tmp_path, "0,10,10\n")):
        assert before_s <= fleet_spec(settings(tmp_path), 1.0, path).workload.start_s <= time.time()


def test_a_service_of_a_built_in_name_has_the_built_in_load(tmp_path: Path) -> None:
    assert load_of(service(tmp_path)) == default_services()[0]


def test_any_other_service_has_a_load_that_its_pool_can_serve(tmp_path: Path) -> None:
    """Half of six tenths of four replicas at the peak: 1.2 erlangs."""
    other = service(tmp_path, "other")
    load = load_of(other)
    work_s = other.pool.step.work_ms(load.mean_input_tokens, load.mean_output_tokens) / 1000
    assert load.name == "other"
    assert load.peak_rps * work_s == pytest.approx(1.2)
    assert load.base_rps < load.peak_rps
    assert isinstance(fleet_spec(settings(tmp_path), FAST, None).workload, SyntheticWorkload)


def test_a_trace_goes_to_the_first_service(tmp_path: Path) -> None:
    spec = fleet_spec(load(BUILT_IN), FAST, trace(tmp_path, "0,10,20\n2.5,30,40\n"))
    assert spec.workload.services == ("chat",)
    assert spec.workload.start_s == pytest.approx(morning(datetime.now(UTC)).timestamp(), abs=2 * 86400)
    arrivals = spec.workload.arrivals(spec.workload.start_s, spec.workload.start_s + 10)
    assert arrivals.input_tokens.tolist() == [10, 30]
    assert len(spec.services) == 3


def test_a_trace_with_wall_times_begins_when_it_was_recorded(tmp_path: Path) -> None:
    recorded = trace(tmp_path, "1700000000,10,20\n1700000003,30,40\n")
    assert fleet_spec(settings(tmp_path), FAST, recorded).workload.start_s == 1_700_000_000


BAD_TRACES = [
    ("0,10,20\n-1,10,20\n", "arrival_s"),
    ("0,ten,20\n", "input_tokens"),
    ("", "requests"),
]


@pytest.mark.parametrize(("rows", "named"), BAD_TRACES)
def test_a_bad_trace_is_one_line_that_names_file_and_column(tmp_path: Path, rows: str, named: str) -> None:
    path = trace(tmp_path, rows)
    with pytest.raises(UserError) as told:
        fleet_spec(settings(tmp_path), FAST, path)
    line = str(told.value)
    assert str(path) in line
    assert named in line
    assert "\n" not in line


def test_a_missing_trace_and_a_file_that_is_none_are_told_in_one_line(tmp_path: Path) -> None:
    other = tmp_path / "notes.csv"
    other.write_text("day,words\n1,2\n")
    for path, named in ((tmp_path / "absent.csv", "absent.csv"), (other, "day, words")):
        with pytest.raises(UserError, match=named):
            fleet_spec(settings(tmp_path), FAST, path)


IMPOSSIBLE = [
    ("gpus_per_replica: 2", "gpus_per_replica: 16", "gpus_per_replica 16"),
    ("kv_blocks: 20000", "kv_blocks: 1", "KV blocks"),
    ("kv_blocks: 20000", "kv_blocks: 20000\n        max_num_seqs: 4096", "max_num_seqs 4096"),
    ("cold: {", "asleep: {", "give cold"),
]


@pytest.mark.parametrize(("good", "bad", "complaint"), IMPOSSIBLE)
def test_a_pool_that_cannot_be_simulated_is_told_in_one_line(
    tmp_path: Path, good: str, bad: str, complaint: str
) -> None:
    assert good in GOOD
    with pytest.raises(UserError, match=complaint):
        fleet_spec(settings(tmp_path, GOOD.replace(good, bad)), FAST, None)


def test_services_sleep_in_the_rack_of_the_file(tmp_path: Path) -> None:
    spec = fleet_spec(settings(tmp_path, RACKED), FAST, None)
    rack = spec.world().racks["shared"]
    assert (rack.held, rack.used, rack.rack.max_gpus) == (4, 2, 16)
