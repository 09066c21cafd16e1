"""What is packed comes back, whichever version wrote it, and takes less than without a dictionary."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.store.codec import inputs
from autoscaler.store.packed import DICTIONARIES, pack, unpack
from tests.autoscaler.cases import AUTO, NOW_S, forecast, observation, state

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
)


@given(JSON)
def test_every_value_comes_back(value: Any) -> None:
    assert unpack(pack(value)) == value


@given(JSON)
def test_what_was_packed_without_a_dictionary_is_read(value: Any) -> None:
    assert unpack(zlib.compress(json.dumps(value).encode(), 1)) == value


def test_the_first_dictionary_is_what_it_always_was() -> None:
    assert 0x5022119B in DICTIONARIES, "stores hold records that cannot be read without it"


def test_the_inputs_of_a_decision_take_less_than_half() -> None:
    told = inputs(observation(), forecast(3.0), state(4), AUTO, NOW_S)
    assert len(pack(told)) < 0.5 * len(zlib.compress(json.dumps(told, separators=(",", ":")).encode(), 6))


def test_a_record_of_a_newer_version_is_named() -> None:
    deflate = zlib.compressobj(zdict=b"words of a later version")
    packed = deflate.compress(b'"words of a later version"') + deflate.flush()
    with pytest.raises(ValueError, match="a newer version of Leadtime wrote it"):
        unpack(packed)
