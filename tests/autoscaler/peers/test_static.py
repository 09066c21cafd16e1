"""Fixed fleets, sized on a training span."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autoscaler.peers.static import StaticMean, StaticPeak
from tests.autoscaler.peers.fleets import TERMS, replica, signals

TRAINING = np.array([0.5, 1.0, 1.5, 4.0])


def test_the_peak_is_carried() -> None:
    assert StaticPeak(TERMS, TRAINING, rho_max=0.5).desired(signals(0, 1, [replica()])) == 8


def test_the_mean_is_rounded_up() -> None:
    assert StaticMean(TERMS, TRAINING, rho_max=0.5).replicas == 4
    assert StaticMean(TERMS, TRAINING, rho_max=0.5, headroom=2.0).replicas == 7


def test_a_lower_quantile_leaves_the_peak_out() -> None:
    long = np.concatenate([np.full(99, 1.0), [9.0]])
    assert StaticPeak(TERMS, long, rho_max=0.5, quantile=0.9).replicas == 2


def test_whole_numbers_cost_no_replica_more() -> None:
    assert StaticPeak(TERMS, np.array([0.3 * 7]), rho_max=0.3).replicas == 7


def test_nothing_moves_it() -> None:
    rule = StaticPeak(TERMS, TRAINING, rho_max=0.5)
    assert {rule.desired(signals(at, 3, [replica(running=at)] * 3)) for at in range(0, 7200, 600)} == {8}


def test_bounds_hold() -> None:
    tight = replace(TERMS, min_replicas=3, max_replicas=5)
    assert StaticPeak(tight, TRAINING, rho_max=0.5).replicas == 5
    assert StaticMean(tight, TRAINING * 0, rho_max=0.5).replicas == 3


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        StaticMean(TERMS, np.array([]), rho_max=0.5)
    with pytest.raises(ValueError, match="rho_max"):
        StaticPeak(TERMS, TRAINING, rho_max=0.0)


def test_the_knobs_are_keywords() -> None:
    assert [StaticPeak(TERMS, TRAINING, 0.5, quantile=q).replicas for q in StaticPeak.KNOB[1]][-1] == 8
    assert StaticMean.KNOB[0] == "headroom"
