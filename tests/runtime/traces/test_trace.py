"""Traces: what is taken of one keeps all its columns."""

from __future__ import annotations

import numpy as np

from runtime.traces import Trace

TRACE = Trace(
    "t",
    np.array([0.0, 1.0, 2.0]),
    np.array([10, 20, 30], np.int32),
    np.array([1, 2, 3], np.int32),
    session=np.array([1, 1, 0], np.int32),
    prefix_tokens=np.array([4, 5, 0], np.int32),
)


def test_a_slice_a_mask_and_places_keep_the_columns() -> None:
    for index in (slice(1, 3), TRACE.arrival_s > 0.5, np.array([1, 2])):
        part = TRACE.take(index)
        assert (part.arrival_s.tolist(), part.input_tokens.tolist(), part.output_tokens.tolist()) == (
            [1.0, 2.0],
            [20, 30],
            [2, 3],
        )
        assert part.session is not None and part.session.tolist() == [1, 0]
        assert part.prefix_tokens is not None and part.prefix_tokens.tolist() == [5, 0]
        assert (part.name, part.client, part.prefix) == ("t", None, None)
