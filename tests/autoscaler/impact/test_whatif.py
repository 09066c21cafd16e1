"""What else could serve a past: a front that rises with cost, plain rules beside it, other pools ranked."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest

from autoscaler.impact import whatif, whatif_worker
from autoscaler.impact.whatif import Task, WhatIf, minutes, series, what_if
from autoscaler.policy import Routing
from runtime.catalog.errors import CatalogError
from tests.autoscaler.impact.test_replay import POLICY, POOL, past

EMPTY = (np.array([]), np.array([]))


@pytest.fixture(scope="module")
def found() -> WhatIf:
    return what_if(Task(POOL, POLICY, past(), EMPTY))


def test_the_front_attains_more_for_more(found: WhatIf) -> None:
    ours = [point for point in found.points if point.kind == "ours"]
    assert ours and all(a.usd_per_hour <= b.usd_per_hour and a.attainment < b.attainment for a, b in pairwise(ours))
    assert all(point.policy is not None for point in ours)


def test_the_policy_and_plain_rules_stand_beside_it(found: WhatIf) -> None:
    kinds = [point.kind for point in found.points]
    assert kinds.count("policy") == 1
    assert kinds.count("proportional") == len(whatif.AIMS)
    assert 1 <= kinds.count("static") <= whatif.STATICS


def test_a_static_fleet_costs_its_size(found: WhatIf) -> None:
    for point in found.points:
        if point.kind == "static":
            count = int(point.name.split(", ")[1])
            assert point.mean_replicas == pytest.approx(count, rel=0.05)
            assert point.usd_per_hour == pytest.approx(count * POOL.replica_usd_per_hour, rel=0.05)


def test_a_model_brings_other_pools_and_the_best_is_screened_too() -> None:
    task = Task(POOL, POLICY, past(), EMPTY, "meta-llama/Llama-3.1-8B", ("H100", "H200"), 1)
    told: list[float] = []
    found = what_if(task, told.append)
    assert told == sorted(told) and told[-1] == 1.0
    assert found.plan is not None and found.plan.best is not None
    assert {point.pool for point in found.points} == {POOL.name, found.plan.best.candidate.pool.name}


def test_it_is_planned_for_the_routing_that_the_policy_names() -> None:
    blind = POLICY.model_copy(update={"routing": Routing.BLIND})
    found = what_if(Task(POOL, blind, past(), EMPTY, "meta-llama/Llama-3.1-8B", ("H100",), 1))
    assert found.plan is not None and found.plan.asked.routing is Routing.BLIND


def test_names_nobody_knows_are_refused() -> None:
    with pytest.raises(CatalogError):
        what_if(Task(POOL, POLICY, past(), EMPTY, "nobody/Nothing-8B"))
    with pytest.raises(ValueError, match="no load was recorded"):
        what_if(Task(POOL, POLICY, past(gap=slice(None)), EMPTY))


def test_minutes_and_counts_keep_gaps() -> None:
    recorded = past(60, slice(10, 20))
    times, load = minutes(recorded, 2.0)
    assert len(times) == 60 and np.isnan(load[10:20]).all()
    assert load[0] == pytest.approx(2 * recorded.erlangs[0])
    told = series(recorded)
    assert np.nansum(told.requests) == pytest.approx(np.nansum(recorded.arrivals_per_s) * 60, rel=0.02)
    assert np.isnan(told.requests).sum() >= 9


def test_the_worker_gives_the_same(found: WhatIf, capsys: pytest.CaptureFixture[str]) -> None:
    given: WhatIf = pickle.loads(whatif_worker.serve(pickle.dumps(Task(POOL, POLICY, past(), EMPTY))))
    assert [p.attainment for p in given.points] == [p.attainment for p in found.points]
    assert "progress 1.0000" in capsys.readouterr().err
