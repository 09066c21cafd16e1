"""The reactive floor: what is needed for the load that is already here. A forecast can raise it and never
lower it.

Two voices, and the louder one counts. The *load* voice sizes for the offered load of the last interval plus
what it takes to work off the requests that wait. The *latency* voice is the SLO-aware proportional law known
from KEDA recipes for LLM serving: replicas follow the ratio of the latency to its target, with a dead
band and with a discount while launched replicas are not ready yet. It needs no model, so it still helps where
the step-time law is wrong.

Three things differ from that recipe. Its band of 0.55/0.40 stands in for a forecast; here the forecast does the
looking ahead, so the band sits at the target itself (policy ``reactive``). And a TPOT ratio is not
proportional to load: an idle engine still takes ``a`` ms per token, so TPOT is compared as the utilisation
that it stands for, ``1 − a/TPOT``. And it is the mean over tokens, not the P90 over requests: the mean TPOT of a
request of five tokens is one prefill of somebody else, which no fleet size mends.
"""

from __future__ import annotations

import math

from autoscaler.capacity import RhoMax, replicas_for
from autoscaler.decision import TierCounts
from autoscaler.policy import Policy
from collectors.observation import Observation
from runtime.pool import Pool

DRAIN_S = 60.0
"""Waiting requests are worked off within this time."""

RATIO_CAP = 2.0
FEWEST_REQUESTS = 10.0
"""The P90 of fewer requests than this is their maximum, and one slow request would double the fleet."""


def load_need(
    observation: Observation, erlangs: float | None, work_ms: float | None, rho: RhoMax, factor: float = 1.0
) -> int:
    """Replicas for ``factor`` times the offered load now and for the backlog; at least one where anything waits or
    runs.
    """
    waiting = (observation.waiting or 0.0) + (observation.held or 0.0)
    present = waiting + (observation.running or 0.0) + (observation.arrivals_per_s or 0.0) > 0
    backlog = waiting * (work_ms or 0.0) / 1000 / DRAIN_S
    return max(int(present), replicas_for(factor * (erlangs or 0.0) + backlog, rho))


def latency_ratio(observation: Observation, pool: Pool, policy: Policy) -> float | None:
    """The worse of P90 TTFT and mean TPOT against their targets, 1.0 is the target; None where too little was
    measured.
    """
    completed = observation.completed_per_s
    if completed is not None and completed * observation.interval_s < FEWEST_REQUESTS:
        return None
    slo = policy.slo
    ttft_target = slo.ttft_s + slo.ttft_s_per_1k_tokens * (observation.mean_input_tokens or 0.0) / 1000
    ratios = [observation.ttft_s["p90"] / ttft_target] if "p90" in observation.ttft_s else []
    if "mean" in observation.tpot_s:
        ratios.append(_tpot_ratio(observation.tpot_s["mean"], pool, slo.tpot_s))
    finite = [ratio for ratio in ratios if math.isfinite(ratio)]
    return min(RATIO_CAP, max(finite)) if finite else None


def latency_need(ratio: float | None, counts: TierCounts, policy: Policy) -> int:
    """Replicas by the latency law: n·s·c above the band, n inside it, n·s below; 0 where nothing is measured.

    Worked example: 10 replicas of which 8 are ready, ratio 1.3: 1.3 · 0.8 = 1.04, so 11 and not 13.
    """
    total = counts.active + counts.launching + counts.waking
    if ratio is None or total == 0:
        return 0
    discounted = ratio * counts.active / total if counts.active else ratio
    if ratio > policy.reactive.scale_out_above:
        return max(total, total + math.ceil(total * (discounted / policy.reactive.scale_out_above - 1) - 1e-9))
    if ratio < policy.reactive.scale_in_below:
        return total - math.floor(total * (1 - ratio / policy.reactive.scale_in_below) + 1e-9)
    return total


def _tpot_ratio(tpot_s: float, pool: Pool, target_s: float) -> float:
    idle_s = pool.step.a_ms / 1000
    if target_s <= idle_s or tpot_s <= 0:
        return tpot_s / target_s
    return max(0.0, 1 - idle_s / tpot_s) / (1 - idle_s / target_s)
