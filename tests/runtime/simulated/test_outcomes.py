"""Attainment by its definitions (DESIGN 3) on requests made by hand, and percentiles against exact ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.simulated.outcomes import LatencyTarget, Outcomes, percentiles
from runtime.simulated.state import REASON_ABORT, REASON_LENGTH, REASON_LOST, REASON_STOP, REQUEST

TARGET = LatencyTarget(ttft_s=1.0, ttft_s_per_1k_tokens=0.0, tpot_s=0.1)


def record(ttft_s: float, decode_s: float, output: int = 11, input: int = 1000, reason: int = REASON_STOP) -> Any:
    """A request that came at second 500 and has ended."""
    made = np.zeros(1, REQUEST)
    made["arrival"], made["first_token"], made["finish"] = 500.0, 500.0 + ttft_s, 500.0 + ttft_s + decode_s
    made["output"], made["input"], made["reason"] = output, input, reason
    return made


def outcomes(*records: npt.NDArray[Any], target: LatencyTarget = TARGET) -> Outcomes:
    made = Outcomes(target)
    made.add(np.concatenate(records))
    return made


# first token after, decode for ten more tokens, attained, attained strictly
CASES = [
    (0.5, 0.8, True, True),
    (1.0, 1.0, True, True),
    (1.01, 0.1, False, False),  # a late first token is a miss however fast the rest
    (0.5, 1.4, True, False),  # slower per token than the target, but what was saved before makes up for it
    (0.5, 1.6, False, False),
    (0.0, 2.0, True, False),
]


@pytest.mark.parametrize(("ttft_s", "decode_s", "attained", "strictly"), CASES)
def test_a_request_attains_by_its_deadline(ttft_s: float, decode_s: float, attained: bool, strictly: bool) -> None:
    one = outcomes(record(ttft_s, decode_s))
    assert (one.attainment(), one.attainment_strict()) == (float(attained), float(strictly))


def test_a_single_token_needs_to_come_in_time_only() -> None:
    some = outcomes(record(0.9, 0.0, output=1), record(1.1, 0.0, output=1))
    assert (some.attained, some.attained_strictly, some.requests) == (1, 1, 2)
    assert percentiles(some.tpot)["p50"] is None


def test_the_first_token_may_take_longer_where_the_target_grows_with_the_prompt() -> None:
    growing = LatencyTarget(ttft_s=1.0, ttft_s_per_1k_tokens=0.5, tpot_s=0.1)
    late = [record(2.9, 1.0, input=4000), record(3.1, 0.0, input=4000), record(2.9, 1.0, input=2000)]
    assert outcomes(*late, target=growing).attained == 1


def test_lost_and_rejected_requests_are_misses_of_both_kinds() -> None:
    some = outcomes(record(0.5, 0.5), record(0.0, 0.0, reason=REASON_LOST))
    some.reject(2)
    assert (some.requests, some.lost, some.rejected) == (4, 1, 2)
    assert some.attainment() == some.attainment_strict() == 0.25


def test_what_a_client_aborted_says_nothing() -> None:
    assert outcomes(record(9.0, 9.0, reason=REASON_ABORT)).attainment() is None


def test_tokens_are_those_of_served_requests() -> None:
    served = record(0.5, 0.5, reason=REASON_LENGTH)
    some = outcomes(served, record(0.0, 0.0, reason=REASON_LOST), record(0.0, 0.0, reason=REASON_ABORT))
    assert (some.input_tokens, some.output_tokens) == (1000, 11)


def test_before_the_first_request_nothing_is_known() -> None:
    none = Outcomes(TARGET)
    assert none.attainment() is None
    assert none.attainment_strict() is None
    assert percentiles(none.ttft) == {"p50": None, "p90": None, "p99": None}


@given(st.lists(st.floats(0.001, 5000), min_size=1, max_size=200))
def test_percentiles_are_within_one_per_cent(seconds: list[float]) -> None:
    told = percentiles(outcomes(*[record(ttft_s, 0.0) for ttft_s in seconds]).ttft)
    exact = np.percentile(seconds, [50, 90, 99], method="inverted_cdf")
    assert list(told.values()) == pytest.approx(exact.tolist(), rel=0.01)


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3), st.integers(1, 40)), min_size=1, max_size=30))
def test_adding_in_pieces_is_adding_at_once_and_strict_is_the_harder_form(rows: list[tuple[float, float, int]]) -> None:
    records = [record(ttft_s, decode_s if output > 1 else 0.0, output) for ttft_s, decode_s, output in rows]
    whole, pieces = outcomes(*records), Outcomes(TARGET)
    for one in records:
        pieces.add(one)
    assert (pieces.attained, pieces.attained_strictly) == (whole.attained, whole.attained_strictly)
    assert (pieces.ttft == whole.ttft).all()
    assert (pieces.tpot == whole.tpot).all()
    assert whole.attained_strictly <= whole.attained
