"""History in a real SQLite file and a PostgreSQL: gaps, replacement, compaction, and what a killed process leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, text

from collectors.history import FULL_S, KEPT_S, History
from collectors.store import open_store


@pytest.fixture
def history(engine: Engine) -> History:
    return History(engine)


def fill(history: History, start_s: float, count: int, step_s: float = 15.0) -> None:
    rows = [("chat", start_s + n * step_s, {"load": float(n), "waiting": float(n)}) for n in range(count)]
    history.append_many(rows)


def test_what_was_appended_is_loaded_with_its_gaps(history: History) -> None:
    for at_s, load in ((10.0, 1.5), (25.0, None), (40.0, 2.5)):
        history.append("chat", at_s, {"load": load})
    times, values = history.load("chat", "load", 0.0)
    assert times.tolist() == [10.0, 25.0, 40.0]
    assert np.isnan(values[1])
    assert values[[0, 2]].tolist() == [1.5, 2.5]


def test_signals_may_appear_later(history: History) -> None:
    history.append("chat", 10.0, {"load": 1.0})
    history.append("chat", 25.0, {"load": 2.0, "new": 7.0})
    _, values = history.load("chat", "new", 0.0)
    assert np.isnan(values[0])
    assert values[1] == 7.0


def test_services_are_told_apart(history: History) -> None:
    history.append_many([("chat", 10.0, {"load": 1.0}), ("code", 10.0, {"load": 2.0})])
    assert history.load("code", "load", 0.0)[1].tolist() == [2.0]


def test_the_same_time_again_replaces(history: History) -> None:
    history.append("chat", 10.0, {"load": 1.0})
    history.append("chat", 10.0, {"load": 3.0})
    assert history.load("chat", "load", 0.0)[1].tolist() == [3.0]


@pytest.mark.parametrize(("service", "signal"), [("chat", "unknown"), ("unknown", "load")])
def test_what_is_unknown_has_no_value(history: History, service: str, signal: str) -> None:
    history.append("chat", 10.0, {"load": 1.0})
    _, values = history.load(service, signal, 0.0)
    assert np.isnan(values).all()


def test_columns_are_the_rows_they_stand_for(history: History) -> None:
    fill(history, 15.0, 8)
    history.append_columns("code", 15.0 * np.arange(1.0, 9.0), {"load": np.arange(8.0), "new": np.full(8, np.nan)})
    for name in ("load", "waiting"):
        assert np.array_equal(history.load("chat", name, 0.0)[1], np.arange(8.0))
    assert np.array_equal(history.load("code", "load", 0.0), history.load("chat", "load", 0.0))
    assert np.isnan(history.load("code", "new", 0.0)[1]).all()


STEPPED = "replicas_desired"


def wanted(history: History, *values: float | None, start_s: float = 15.0) -> None:
    for at, value in enumerate(values):
        history.append("chat", start_s + 15 * at, {STEPPED: value, "load": 1.0})


def test_steps_are_the_changes_and_what_held_before_the_span(history: History) -> None:
    wanted(history, 2, 2, None, 2, 3, 3, 1)
    times, values = history.steps("chat", STEPPED, 20.0, 100.0)
    assert (times.tolist(), values.tolist()) == ([30.0, 75.0], [2.0, 3.0])
    times, values = history.steps("chat", STEPPED, 80.0, 200.0)
    assert (times.tolist(), values.tolist()) == ([90.0, 105.0], [3.0, 1.0])


def test_before_the_first_step_there_are_the_rows(history: History) -> None:
    wanted(history, 2, 3)
    assert history.steps("chat", STEPPED, 0.0, 100.0)[0].tolist() == [15.0, 30.0]
    assert history.steps("nobody", STEPPED, 0.0, 100.0)[0].tolist() == []


def test_what_another_wrote_meanwhile_is_stepped_over(engine: Engine) -> None:
    one, other = History(engine), History(engine)
    wanted(one, 2)
    wanted(other, 5, start_s=30.0)
    wanted(one, 2, start_s=300.0)
    assert one.steps("chat", STEPPED, 20.0, 400.0)[1].tolist() == [5.0, 2.0]


def test_a_write_that_failed_is_no_step(engine: Engine) -> None:
    history = History(engine)
    wanted(history, 2)
    with pytest.raises(RuntimeError), engine.begin() as connection:
        history.append("chat", 30.0, {STEPPED: 4.0}, connection)
        raise RuntimeError
    wanted(history, 4, start_s=45.0)
    assert history.steps("chat", STEPPED, 20.0, 60.0)[1].tolist()[-1] == 4.0


def test_columns_have_their_steps(history: History) -> None:
    values = np.array([1.0, 1.0, np.nan, 2.0, 2.0])
    history.append_columns("chat", 15.0 * np.arange(1.0, 6.0), {STEPPED: values})
    assert history.steps("chat", STEPPED, 15.0, 100.0)[1].tolist() == [1.0, 2.0]


def test_last_at(history: History) -> None:
    assert history.last_at("chat") is None
    fill(history, 100.0, 3)
    assert history.last_at("chat") == 130.0


def test_series_within_bounds(history: History) -> None:
    fill(history, 0.0, 10)
    found = history.series("chat", ["load", "absent"], 15.0, 45.0)
    assert found["load"] == [(15.0, 1.0), (30.0, 2.0), (45.0, 3.0)]
    assert [value for _, value in found["absent"]] == [None, None, None]


def test_series_are_thinned_and_keep_spikes(history: History) -> None:
    rows = [("chat", float(n), {"load": 1000.0 if n == 777 else 1.0}) for n in range(2000)]
    history.append_many(rows)
    points = history.series("chat", ["load"], 0.0, 2000.0, max_points=60)["load"]
    assert len(points) <= 60
    assert (777.0, 1000.0) in points


def test_history_survives_a_restart(engine: Engine, history: History) -> None:
    fill(history, 0.0, 3)
    again = History(engine)
    again.append("chat", 45.0, {"extra": 1.0, "load": 3.0})
    assert again.load("chat", "load", 0.0)[1].tolist() == [0, 1, 2, 3]


def test_a_shared_transaction_that_fails_leaves_nothing(engine: Engine, history: History) -> None:
    with pytest.raises(RuntimeError), engine.begin() as connection:
        history.append("chat", 10.0, {"load": 1.0}, connection)
        raise RuntimeError
    assert history.last_at("chat") is None
    history.append("chat", 20.0, {"load": 2.0})
    assert history.load("chat", "load", 0.0)[1].tolist() == [2.0]


def test_two_writers_agree_on_positions(engine: Engine, history: History) -> None:
    other = History(engine)
    history.append("chat", 10.0, {"a": 1.0, "b": 2.0})
    other.append("chat", 20.0, {"c": 3.0, "b": 4.0})
    assert history.load("chat", "b", 0.0)[1].tolist() == [2.0, 4.0]
    assert history.load("chat", "c", 15.0)[1].tolist() == [3.0]


def test_compaction_turns_the_old_into_minutes(history: History) -> None:
    fill(history, 15.0, 8)
    history.compact(120.0 + FULL_S)
    times, load = history.load("chat", "load", 0.0)
    _, waiting = history.load("chat", "waiting", 0.0)
    assert times.tolist() == [60.0, 120.0]
    assert load.tolist() == [1.5, 5.5], "the mean"
    assert waiting.tolist() == [3.0, 7.0], "the maximum"


def test_compaction_leaves_the_recent_and_whole_minutes_alone(history: History) -> None:
    fill(history, 15.0, 8)
    history.compact(119.0 + FULL_S)
    assert history.load("chat", "load", 0.0)[0].tolist() == [60.0, 75.0, 90.0, 105.0, 120.0]


def test_compaction_twice_changes_nothing(history: History) -> None:
    fill(history, 15.0, 20)
    history.compact(200.0 + FULL_S)
    once = history.load("chat", "load", 0.0)
    history.compact(200.0 + FULL_S)
    assert [a.tolist() for a in history.load("chat", "load", 0.0)] == [a.tolist() for a in once]


def test_compaction_in_steps_equals_compaction_at_once(engine: Engine, tmp_path: Path) -> None:
    steps, once = History(engine), History(open_store(f"sqlite:///{tmp_path / 'other.db'}"))
    for history, moments in ((steps, range(0, 1300, 37)), (once, [1300])):
        fill(history, 15.0, 80)
        for moment in moments:
            history.compact(moment + FULL_S)
        history.compact(1300 + FULL_S)
    assert [a.tolist() for a in steps.load("chat", "load", 0)] == [a.tolist() for a in once.load("chat", "load", 0)]


def test_what_is_too_old_is_deleted(history: History) -> None:
    fill(history, 15.0, 8)
    history.compact(120.0 + FULL_S)
    history.compact(61.0 + KEPT_S)
    assert history.load("chat", "load", 0.0)[0].tolist() == [120.0]


def test_last_at_knows_minutes(history: History) -> None:
    fill(history, 15.0, 4)
    history.compact(60.0 + FULL_S)
    assert history.last_at("chat") == 60.0


def test_a_reader_does_not_wait_for_the_writer(engine: Engine, history: History) -> None:
    fill(history, 0.0, 3)
    with engine.begin() as writing:
        history.append("chat", 100.0, {"load": 9.0}, writing)
        assert history.last_at("chat") == 30.0
    assert history.last_at("chat") == 100.0


def test_ticks_of_a_service_lie_side_by_side(tmp_path: Path) -> None:
    engine = open_store(f"sqlite:///{tmp_path}/history.db")
    History(engine)
    with engine.connect() as connection:
        sql = connection.scalar(text("SELECT sql FROM sqlite_master WHERE name = 'history_full'"))
    assert "WITHOUT ROWID" in str(sql)
