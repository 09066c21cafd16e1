"""Lead times from the recorded timestamps, for starts that were seen to happen."""

from __future__ import annotations

from dataclasses import replace

from runtime.kubernetes.pods import PodState, state
from runtime.kubernetes.starts import Starts
from runtime.replica import Tier
from tests.runtime.kubernetes.recordings import recording

KEY = ("chat", "h100")
LIFE = [state(event["object"]) for event in recording("watch-pods")["response"]["events"]]


def samples(life: list[PodState], starts: Starts | None = None) -> list[tuple[Tier, float]]:
    starts = starts or Starts()
    return [(sample.start, sample.seconds) for pod in life for sample in starts.seen(KEY, [pod])]


def test_the_recorded_start_took_twelve_seconds() -> None:
    assert samples(LIFE) == [(Tier.COLD, 12.0)]


def test_one_that_is_met_ready_is_not_measured() -> None:
    assert samples(LIFE[4:]) == []


def test_one_that_crashed_on_the_way_is_not_measured() -> None:
    assert samples([*LIFE[:4], replace(LIFE[4], restarts=1)]) == []


def test_on_a_node_that_was_held_it_is_the_lead_time_of_a_warm_node() -> None:
    starts = Starts()
    starts.holding(KEY, [replace(LIFE[4], name="placeholder")])
    assert samples(LIFE, starts) == [(Tier.WARM_NODE, 12.0)]
