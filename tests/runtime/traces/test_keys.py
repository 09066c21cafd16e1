"""Keys: dense numbers in the order in which names first come, whatever the names were."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.traces.keys import dense, is_key


@pytest.mark.parametrize(
    "names",
    [
        pa.array(["b", "a", None, "b", ""]),
        pa.array(["b", "a", None, "b", ""], pa.large_string()),
        pa.array(["b", "a", None, "b", ""]).dictionary_encode(),
        pa.array([0, -5, None, 0, None], pa.int16()),
        pa.array([7.0, 2.0, float("nan"), 7.0, None]),
    ],
)
def test_names_of_any_type(names: pa.Array) -> None:
    keys = dense([names])
    assert is_key(names.type) and keys is not None and keys.dtype == np.int32
    assert keys.tolist() == [1, 2, 0, 1, 0]


def test_nobody_has_a_name() -> None:
    assert dense([pa.nulls(3)]) is None
    assert dense([pa.array(["", None])]) is None


@given(st.lists(st.lists(st.one_of(st.none(), st.sampled_from("abcdef")), min_size=1, max_size=9), min_size=1))
def test_a_name_has_one_key_over_all_batches(batches: list[list[str | None]]) -> None:
    flat = [name for batch in batches for name in batch]
    order = list(dict.fromkeys(name for name in flat if name))
    keys = dense([pa.array(batch, pa.string()) for batch in batches])
    expected = [order.index(name) + 1 if name else 0 for name in flat]
    assert keys is None if not order else keys is not None and keys.tolist() == expected


def test_lists_and_dates_are_no_keys() -> None:
    assert not is_key(pa.list_(pa.int64())) and not is_key(pa.timestamp("s")) and not is_key(pa.bool_())
