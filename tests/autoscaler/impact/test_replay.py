"""Two policies on the same past: the same policy is the same, a higher floor costs more and serves no worse."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from autoscaler.impact import worker
from autoscaler.impact.recorded import Recorded
from autoscaler.impact.replay import Impact, Task, replay
from autoscaler.policy import Policy
from runtime.pool import LeadTime, Pool, StepTime
from runtime.replica import Tier

POOL = Pool(
    name="h100",
    service="chat",
    engine="vllm",
    gpu="H100",
    gpus_per_replica=2,
    price_usd_per_gpu_hour=3.0,
    step=StepTime(10.0, 0.1, 0.02, 30.0),
    kv_blocks=20_000,
    lead_times={Tier.COLD: LeadTime(60.0, 90.0)},
)
POLICY = Policy.model_validate({"mode": "auto", "replicas": {"min": 1, "max": 20}})
TICK_S, LENGTHS = 60.0, (600.0, 200.0)


def past(ticks: int = 180, gap: slice = slice(0, 0)) -> Recorded:
    """A swinging load of two to six erlangs."""
    times = 1.8e9 + TICK_S * np.arange(1, ticks + 1)
    erlangs = 4 + 2 * np.sin(np.arange(ticks) / 20)
    erlangs[gap] = np.nan
    arrivals = erlangs * 1000 / POOL.step.work_ms(*LENGTHS)
    same = np.ones(ticks)
    return Recorded(TICK_S, times, erlangs, arrivals, LENGTHS[0] * same, LENGTHS[1] * same, 8 * same, 48 * same, same)


def came(draft: Policy, recorded: Recorded | None = None, current: Policy = POLICY) -> Impact:
    empty = np.array([])
    return replay(Task(POOL, None, current, draft, recorded or past(), (empty, empty)))


def changed(**parts: object) -> Policy:
    return Policy.model_validate(POLICY.model_dump(mode="json") | parts)


def test_the_same_policy_comes_to_the_same() -> None:
    found = came(POLICY)
    assert found.current == found.draft
    assert found.wanted_current.tolist() == found.wanted_draft.tolist()
    assert 0.9 < found.current.in_time / found.requests <= 1


def test_money_is_gpu_time_at_the_pools_price() -> None:
    side = came(POLICY).current
    assert side.cost_usd == pytest.approx(side.gpu_s / 3600 * POOL.price_usd_per_gpu_hour)
    assert side.peak * 3 * 3600 >= side.replica_s > 0


def test_a_higher_floor_costs_more_and_is_late_no_more_often() -> None:
    found = came(changed(replicas={"min": 14, "max": 20}))
    assert found.draft.cost_usd > found.current.cost_usd
    assert found.draft.in_time >= found.current.in_time
    assert min(found.wanted_draft) >= 14


def test_a_low_cap_is_cheaper_and_late() -> None:
    found = came(changed(replicas={"min": 1, "max": 3}))
    assert found.draft.cost_usd < found.current.cost_usd
    assert found.draft.in_time < 0.9 * found.requests


def test_promising_less_is_judged_by_the_promise_in_force() -> None:
    lax = changed(slo={"ttft_s": 60.0, "tpot_s": 1.0})
    found = came(lax)
    assert found.draft.in_time <= found.current.in_time


def test_a_gap_is_paid_for_and_not_judged() -> None:
    whole, holed = came(POLICY), came(POLICY, past(gap=slice(60, 90)))
    assert holed.unknown_s == 30 * TICK_S
    assert holed.requests < whole.requests
    assert holed.current.cost_usd > 0.8 * whole.current.cost_usd


def test_a_past_without_load_is_refused() -> None:
    with pytest.raises(ValueError, match="no load was recorded"):
        came(POLICY, past(gap=slice(None)))


def test_progress_grows_and_the_worker_gives_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    empty = np.array([])
    task = Task(POOL, None, POLICY, changed(replicas={"min": 5, "max": 20}), past(60), (empty, empty))
    given: Impact = pickle.loads(worker.serve(pickle.dumps(task)))
    told = [float(line.split()[1]) for line in capsys.readouterr().err.splitlines()]
    assert told == sorted(told) and len(told) > 10
    assert given.draft == replay(task).draft
