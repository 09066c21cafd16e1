"""A rack that cannot be is refused in one line."""

from __future__ import annotations

import pytest

from runtime.pool import LeadTime
from runtime.rack import Rack

IMPOSSIBLE = [
    ({"gpus": 9}, "rack r: gpus 9 is not within 0 and max_gpus 8"),
    ({"gpus": -1}, "gpus -1"),
    ({"lent_share": 1.5}, "lent_share 1.5 is not within 0 and 1"),
    ({"gpus_per_node": 0}, "gpus_per_node 0 is below 1"),
]


def rack(gpus: int = 4, lent_share: float = 1.0, gpus_per_node: int = 8) -> Rack:
    return Rack("r", "H100-SXM", 3.0, gpus, 8, LeadTime(60, 120), lent_share, gpus_per_node)


@pytest.mark.parametrize(("change", "complaint"), IMPOSSIBLE)
def test_a_rack_that_cannot_be_is_refused(change: dict[str, int], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        rack(**change)


def test_idle_gpus_cost_in_full_unless_they_are_lent() -> None:
    assert Rack("r", "L4", 1.0, 0, 4, LeadTime(1, 2)).lent_share == 1.0
