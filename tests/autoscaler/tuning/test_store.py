"""What was chosen is found again."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.tuning.choice import Choice, Price
from autoscaler.tuning.knobs import values
from autoscaler.tuning.store import TuningStore
from collectors.store import open_store
from tests.autoscaler.tuning.pasts import POLICY

CHOICE = Choice(values(POLICY), Price(10.0, 0.5), True, 0.1, 0.2, "because")


def test_the_newest_choice_is_kept_and_nothing_older() -> None:
    store = TuningStore(open_store("sqlite://"))
    assert store.newest("chat") is None
    store.keep("chat", 1.0, values(POLICY), CHOICE)
    later = replace(CHOICE, price=Price(20.0, -0.1))
    store.keep("chat", 2.0, values(POLICY), later)
    assert store.newest("chat") == (2.0, values(POLICY), later)
