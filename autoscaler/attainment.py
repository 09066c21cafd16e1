"""What share of the requests kept the promise: as the router counted them or, where none counts, an estimate. Pure.

The promise is a deadline for the last token, ``TTFT target + TPOT target·(O − 1)``, so a first token that came early
leaves time for the rest: a request's mean time per token may exceed its target by ``(TTFT target − TTFT)/(O − 1)``. The
estimate grants that of the mean request to all. Short answers had more, long ones less, and no histogram says which was
which; what was rejected is late, and so is an interval in which requests wait and none gets a first token for longer
than the target.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autoscaler.policy import Slo
from collectors.observation import Histogram, Observation


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured in the ``seconds`` that end at ``at_s``: so many requests, of which so many were late.

    ``counted`` is False where both are estimates from the engines' histograms, as no router counts.
    """

    at_s: float
    seconds: float
    requests: float
    late: float
    counted: bool = False


def share_within(histogram: Histogram | None, target: float) -> float | None:
    """Share of a histogram's observations at or below ``target``, linear within the bucket; None without any.

    An estimate: how requests lie inside a bucket is not known. Observations above the last finite bound count
    as misses, as nothing says how far above they are.
    """
    if histogram is None or not histogram.counts or histogram.counts[-1] <= 0:
        return None
    bounds = [bound for bound in histogram.bounds if np.isfinite(bound)]
    counts = histogram.counts[: len(bounds)]
    within = float(np.interp(target, [0.0, *bounds], [0.0, *counts]))
    return min(1.0, within / histogram.counts[-1])


def ttft_target_s(observation: Observation, slo: Slo) -> float:
    """The TTFT target, which grows with the mean prompt where the policy says so."""
    return slo.ttft_s + slo.ttft_s_per_1k_tokens * (observation.mean_input_tokens or 0.0) / 1000


def attainment(observation: Observation, slo: Slo) -> float | None:
    """Share of the requests that kept the promise: as counted, else ``estimated``; None where none ended."""
    if observation.ended_per_s is None or observation.attained_per_s is None:
        return estimated(observation, slo)
    return min(1.0, observation.attained_per_s / observation.ended_per_s) if observation.ended_per_s > 0 else None


def estimated(observation: Observation, slo: Slo) -> float | None:
    """The lesser share of first tokens in time and of mean times per token within what the deadline leaves."""
    ttft = share_within(observation.ttft, ttft_target_s(observation, slo))
    tpot = share_within(observation.tpot, slo.tpot_s + _early_s(observation, slo))
    known = [share for share in (ttft, tpot) if share is not None]
    return min(known) if known else None


def _early_s(observation: Observation, slo: Slo) -> float:
    """Seconds per token that the mean request gains by its early first token; 0 where its length is not known."""
    ttft, output = observation.ttft, observation.mean_output_tokens
    if ttft is None or not ttft.counts or ttft.counts[-1] <= 0 or output is None or output <= 1:
        return 0.0
    return max(0.0, ttft_target_s(observation, slo) - ttft.total / ttft.counts[-1]) / (output - 1)


def sample(observation: Observation, slo: Slo) -> Sample | None:
    """The interval in requests, as the router counted them, else as the histograms tell; None where nothing can be
    said: incomplete data, or no requests.
    """
    seconds = observation.interval_s
    if not observation.valid or seconds <= 0:
        return None
    if observation.ended_per_s is not None and observation.attained_per_s is not None:
        ended = observation.ended_per_s * seconds
        late = ended - observation.attained_per_s * seconds
        return Sample(observation.at_s, seconds, ended, late, counted=True) if ended > 0 else None
    share = estimated(observation, slo)
    rejected = (observation.rejected_per_s or 0.0) * seconds
    served = 0.0 if share is None else _served(observation)
    late = rejected + served * (1 - (share or 0.0)) + (_stuck(observation, slo) if share is None else 0.0)
    requests = max(rejected + served, late)
    return Sample(observation.at_s, seconds, requests, late) if requests > 0 else None


def _served(observation: Observation) -> float:
    """Requests that the share stands for: those completed or, where none was, those that got their first token."""
    completed = (observation.completed_per_s or 0.0) * observation.interval_s
    first = observation.ttft.counts[-1] if observation.ttft else 0.0
    return completed or first


def _stuck(observation: Observation, slo: Slo) -> float:
    """Requests that wait although nobody has been served for longer than the target."""
    waiting = (observation.waiting or 0.0) + (observation.held or 0.0)
    if waiting <= 0 or observation.interval_s < ttft_target_s(observation, slo):
        return 0.0
    return (observation.arrivals_per_s or 0.0) * observation.interval_s or waiting
